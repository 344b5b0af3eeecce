import json

import numpy as np
import onnx
import onnxruntime
import pytest
from nets import SIDE, pictures, sharp_net, watchful_net

from pipeline.training.portable import write_onnx
from pipeline.training.predict import Answering, mean_answers


def answers(path, squares):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"images": squares})[0]


@pytest.mark.parametrize(
    "members",
    [
        [{"resolution": 33, "params": {}}],  # a scale that is no whole number
        [{"resolution": SIDE}, {"seed": 1, "resolution": 64, "mean": 90.0, "params": {}}],  # as stored, and larger
    ],
    ids=["one", "ensemble"],
)
def test_onnx_runtime_says_what_pytorch_says_for_any_number(tmp_path, members):
    members = [sharp_net(**member) for member in members]
    path = tmp_path / "net.onnx"
    write_onnx(members, path)
    for count in (1, 2, 7):
        squares = pictures(count, seed=count)
        wanted = mean_answers([*map(Answering, members)], squares).probabilities
        assert count < 7 or np.ptp(wanted, axis=0).max() > 0.1
        np.testing.assert_allclose(answers(path, squares), wanted, atol=1e-5)
        assert answers(path, squares).dtype == np.float32


def test_file_is_one_and_says_what_it_takes(tmp_path):
    path = tmp_path / "net.onnx"
    write_onnx([sharp_net(class_names=("Riß", 'a"b', "c"))], path)
    assert [file.name for file in tmp_path.iterdir()] == ["net.onnx"]
    model = onnx.load(path)
    onnx.checker.check_model(model)
    (metadata,) = (entry.value for entry in model.metadata_props if entry.key == "class_names")
    assert json.loads(metadata) == ["Riß", 'a"b', "c"]
    session = onnxruntime.InferenceSession(path)
    (images,), (probabilities,) = session.get_inputs(), session.get_outputs()
    assert (images.name, images.type, images.shape[1:]) == ("images", "tensor(uint8)", [SIDE, SIDE])
    assert (probabilities.name, probabilities.type, probabilities.shape[1:]) == ("probabilities", "tensor(float)", [3])
    assert not isinstance(images.shape[0], int)


@pytest.mark.parametrize("members", [1, 2])
def test_outlier_scores_stand_beside_the_probabilities(tmp_path, members):
    nets = [watchful_net("squeezenet1_1", seed=seed, params={}) for seed in range(members)]
    path = tmp_path / "net.onnx"
    write_onnx(nets, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["probabilities", "outlier_score"]
    for count in (1, 5):
        squares = np.concatenate([pictures(count, seed=7), np.full((1, SIDE, SIDE), 255, np.uint8)])
        probabilities, scores = session.run(None, {"images": squares})
        wanted = mean_answers([*map(Answering, nets)], squares)
        np.testing.assert_allclose(probabilities, wanted.probabilities, atol=1e-5)
        np.testing.assert_allclose(scores, wanted.outlier_scores, rtol=1e-4)
    numbers = sum(tensor.numel() for net in nets for tensor in (*net.net.parameters(), *net.detector.buffers()))
    assert path.stat().st_size < 1.2 * 4 * numbers, "no weights twice"
