"""An asymmetric photograph from its file to the net's first layer: never mirrored, turned, transposed or scrambled."""

import io

import numpy as np
import pytest
import torch
from conftest import make_set, run_data_stages, small_params, write_params
from PIL import Image

from pipeline.data.packed import open_packed
from pipeline.serving import ImageClassifier
from pipeline.training.batches import Preprocessing
from pipeline.training.models import build
from pipeline.training.predict import predict_logits
from pipeline.training.weights import ModelCard, TrainedModel

WIDTH, HEIGHT, SIZE = 160, 96, 64


def letter_f():
    """A bright F on black: no turn and no mirror image of it is the same. uint8 (HEIGHT, WIDTH)."""
    image = np.zeros((HEIGHT, WIDTH), np.uint8)
    image[12:84, 40:56] = 255
    image[12:24, 40:120] = 255
    image[42:54, 40:88] = 255
    return image


def stored_turned(image):
    """The F as a colour JPEG whose pixels are stored turned, with the EXIF orientation that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(np.rot90(image)).convert("RGB").save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


@pytest.fixture
def line(tmp_path):
    """A packed set, made by the scripts, whose first picture is the F; and the F's file."""
    make_set(tmp_path / "in", {"b": 3, "c": 3})
    (tmp_path / "in" / "a").mkdir()
    file = tmp_path / "in" / "a" / "F.jpg"
    file.write_bytes(stored_turned(letter_f()))
    params = small_params()
    params["resize"]["size"] = SIZE
    write_params(tmp_path, params)
    run_data_stages(tmp_path, last="pack_npy")
    return open_packed(tmp_path / "packed"), file


def wanted(resolution):
    """The F as it has to look at the net's input, made with Pillow alone: (resolution, resolution), 0..255."""
    square = Image.fromarray(letter_f()).resize((SIZE, SIZE), Image.Resampling.BOX)
    return np.asarray(square.resize((resolution, resolution), Image.Resampling.BOX)).astype(float)


def spying_net(seen):
    net = build("squeezenet1_1", 3, 32).eval()
    first = next(module for module in net.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    return net


@pytest.mark.parametrize("resolution", [32, 64])
def test_the_net_sees_the_photograph(line, resolution):
    packed, file = line
    seen = []
    preprocessing = Preprocessing(resolution, mean=0.0, std=1.0)
    card = ModelCard(
        architecture="squeezenet1_1",
        class_names=packed.class_names,
        stored_size=(SIZE, SIZE),
        resolution=preprocessing.resolution,
        mean=preprocessing.mean,
        std=preprocessing.std,
        epoch=1,
        val_scores={},
        params={},
    )
    trained = TrainedModel(spying_net(seen), card)
    predict_logits(trained, packed.images)
    ImageClassifier(trained).predict([file.read_bytes()])
    in_training, in_service = seen
    assert in_training.shape == (7, 1, resolution, resolution)
    assert torch.equal(in_training[:1], in_service)
    picture = in_training[0, 0].numpy()
    assert np.corrcoef(picture.ravel(), wanted(resolution).ravel())[0, 1] > 0.97
    turned = [np.rot90(wanted(resolution), k) for k in range(4)]
    others = turned[1:] + [view.T for view in turned]
    assert max(np.corrcoef(picture.ravel(), view.ravel())[0, 1] for view in others) < 0.8
