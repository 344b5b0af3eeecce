import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nets import SIDE, pictures, sharp_net, watchful_net
from safetensors.torch import save_file
from scipy.stats import betabinom

from pipeline.errors import ModelError
from pipeline.training.detector import DETECTOR_FILE, Promise, load_detector, picture_statistics
from pipeline.training.features import net_features
from pipeline.training.models import WithFeatures, build, head_name
from pipeline.training.outliers import MOST, batch_warning, chance, choose_threshold, fit_detector, inherit, take_over
from pipeline.training.predict import Answering, answers_of, mean_answers, predict_logits
from pipeline.training.weights import load, save

NO_ROWS = np.empty(0, np.int64)


@pytest.fixture(scope="module")
def net():
    return watchful_net()


def scores(net, squares):
    return answers_of(Answering(net), squares).outlier_scores


# --- the threshold


FAR = arrays(np.float32, st.integers(1, 200), elements=st.floats(0, 1000, width=32))
RATES = st.floats(0.001, 0.9)


@given(FAR, RATES)
def test_on_val_fewer_than_the_rate_are_flagged_whatever_the_distances(far, rate):
    threshold, promise = choose_threshold(far, rate)
    assert (far > threshold).sum() <= promise.over
    assert promise.over < rate * len(far) or promise.over == 0
    assert promise == (rate, promise.over, len(far))


@given(st.integers(1, 120), RATES)
def test_of_photographs_alike_each_is_flagged_as_the_new_one_with_at_most_the_rate(count, rate):
    """Each of count + 1 in turn is the new one, and the others are val; without enough, 1 in count + 1."""
    far = np.random.default_rng(count).permutation(np.arange(1, count + 2)).astype(np.float32)
    flagged = sum(far[new] > choose_threshold(np.delete(far, new), rate)[0] for new in range(count + 1))
    assert flagged <= max(rate * (count + 1) + 1e-6, 1)


@given(st.integers(0, 60), st.integers(1, 60), st.integers(1, 200))
def test_chance_is_the_beta_binomials(flagged, count, of):
    promise = choose_threshold(np.arange(1, of + 1, dtype=np.float32), 0.05)[1]
    flagged = min(flagged, count)
    wanted = betabinom.sf(flagged - 1, count, promise.over + 1, promise.of - promise.over)
    assert chance(flagged, count, promise) == pytest.approx(wanted, rel=1e-6)


def test_warning_comes_as_often_as_it_says_where_nothing_has_changed():
    """A threshold from 100 photographs, then a batch of 30 of the same kind, 4,000 times."""
    rng = np.random.default_rng(0)
    told = 0
    for _ in range(4000):
        threshold, promise = choose_threshold(rng.random(100, np.float32), 0.05)
        told += batch_warning(int((rng.random(30) > threshold).sum()), 30, promise) is not None
    assert 0.002 < told / 4000 < 0.01


def test_warning_says_how_many_and_what_to_do():
    promise = Promise(0.05, 4, 99)
    said = batch_warning(8, 20, promise)
    assert said.startswith("8 of 20 photographs are unlike anything the model has seen (by chance some 5.0% would be)")
    assert "label them" in said
    assert batch_warning(1, 20, promise) is None
    assert batch_warning(9, 9, promise) is None, "too few to tell"
    assert batch_warning(0, 0, promise) is None
    assert batch_warning(20, 20, Promise(0.05, 0, 0)) is None, "nobody knows what is usual"


# --- the detector


def test_what_was_seen_is_at_no_distance_and_what_is_alike_is_not_flagged(net):
    assert scores(net, pictures(60)).max() < 0.01
    assert (scores(net, pictures(100)[60:]) > 1).sum() == net.detector.promised.over == 1
    assert (scores(net, pictures(40, seed=9)) > 1).mean() < 0.3


@pytest.mark.parametrize(
    "planted",
    [
        np.zeros((SIDE, SIDE)),
        np.full((SIDE, SIDE), 255),
        np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)),
        np.tile([0, 255], (SIDE, SIDE // 2)),
        np.full((SIDE, SIDE), 128),
    ],
    ids=["black", "white", "noise", "stripes", "grey"],
)
def test_planted_pictures_are_flagged(net, planted):
    assert scores(net, planted.astype(np.uint8)[None])[0] > 1.2


@given(arrays(np.uint8, st.tuples(st.integers(0, 3), st.integers(2, 40), st.integers(2, 40))))
@settings(max_examples=60, deadline=None)
def test_statistics_of_any_picture_are_finite(squares):
    found = picture_statistics(torch.from_numpy(squares))
    assert found.shape[0] == len(squares)
    assert torch.isfinite(found).all()


def test_one_picture_to_learn_from_and_all_the_same(net):
    for rows in (np.zeros(1, np.int64), np.zeros(7, np.int64)):
        detector = fit_detector(net, pictures(1), rows, rows, 0.05)
        found = scores(replace(net, detector=detector), pictures(3))
        assert np.isfinite(found).all()
        assert found[0] <= 1 < found[1:].min()


def test_of_many_pictures_some_are_kept(net, monkeypatch):
    monkeypatch.setattr("pipeline.training.outliers.MOST", 5)
    assert MOST > 1000
    assert len(fit_detector(net, pictures(30), np.arange(30), NO_ROWS, 0.05).seen) == 5


def test_answers_are_those_of_the_net_without_a_detector(net):
    squares = pictures(7, seed=3)
    said = answers_of(Answering(net), squares)
    plain = answers_of(Answering(replace(net, detector=None)), squares)
    assert plain.outlier_scores is None
    np.testing.assert_allclose(said.probabilities, plain.probabilities, atol=1e-6)
    wanted = torch.from_numpy(predict_logits(net, squares)).softmax(dim=1)
    np.testing.assert_allclose(said.probabilities, wanted, atol=1e-6)
    assert scores(net, squares[:0]).shape == (0,)


def test_an_ensemble_says_the_mean_and_nothing_if_one_cannot_say(net):
    other, squares = watchful_net(architecture="squeezenet1_1", seed=1), pictures(5, seed=2)
    both = mean_answers([Answering(net), Answering(other)], squares).outlier_scores
    np.testing.assert_allclose(both, (scores(net, squares) + scores(other, squares)) / 2, rtol=1e-4)
    assert mean_answers([Answering(net), Answering(sharp_net())], squares).outlier_scores is None


def test_a_net_trained_on_everything_takes_over_how_much_nearer_its_own_are(net):
    everything = fit_detector(net, pictures(100), np.arange(100), NO_ROWS, 0.05)
    assert everything.promised.of == 0
    final = take_over(everything, [net.detector])
    nearer = float(net.detector.threshold / net.detector.left_out)
    assert float(final.threshold) == pytest.approx(float(everything.left_out) * nearer, rel=1e-5)
    assert final.promised == net.detector.promised
    assert (scores(replace(net, detector=final), pictures(80, seed=5)) > 1).mean() < 0.2


# --- on disk


def test_detector_comes_back_with_the_same_bytes(tmp_path, net):
    save(tmp_path / "a", net)
    back = load(tmp_path / "a")
    assert back.detector.promised == net.detector.promised
    np.testing.assert_allclose(scores(back, pictures(5, seed=4)), scores(net, pictures(5, seed=4)), rtol=1e-4)
    save(tmp_path / "b", back)
    digests = {hashlib.sha256((tmp_path / name / DETECTOR_FILE).read_bytes()).hexdigest() for name in "ab"}
    assert len(digests) == 1


def test_older_models_have_none_and_stay_as_they_are(tmp_path, net):
    save(tmp_path / "old", replace(net, detector=None))
    save(tmp_path / "new", net)
    assert load(tmp_path / "old").detector is None
    inherit(tmp_path / "old", [tmp_path / "new"])
    inherit(tmp_path / "new", [tmp_path / "old"])
    assert load(tmp_path / "old").detector is None
    assert load(tmp_path / "new").detector.promised == net.detector.promised


def test_a_file_that_is_no_detector_is_named(tmp_path, net):
    save(tmp_path, net)
    save_file({"seen": torch.zeros(2, 2)}, tmp_path / DETECTOR_FILE)
    with pytest.raises(ModelError, match=r"outliers.safetensors: wanted the tensors of a detector .*, found seen"):
        load(tmp_path)
    (tmp_path / DETECTOR_FILE).write_bytes(b"cut")
    with pytest.raises(ModelError, match=r"outliers.safetensors: wanted"):
        load_detector(tmp_path)


# --- features


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "efficientnet_b0", "shufflenet_v2_x0_5"])
def test_features_are_what_goes_into_the_head(name):
    net = build(name, 3, 64).eval()
    images = torch.randn(2, 1, 64, 64)
    before = list(net.state_dict())
    with torch.inference_mode():
        features, logits = WithFeatures(net, 3).eval()(images)
        torch.testing.assert_close(logits, net(images), atol=1e-5, rtol=1e-5)
        if name != "squeezenet1_1":
            torch.testing.assert_close(net.get_submodule(head_name(net))(features), logits, atol=1e-5, rtol=1e-5)
    assert features.ndim == 2
    assert list(net.state_dict()) == before


def test_features_of_rows_in_their_order(net):
    squares = pictures(9)
    features, logits = net_features(net, squares, np.array([8, 0, 8]), batch_size=2)
    assert features.shape == (3, 512)
    assert features.dtype == logits.dtype == np.float32
    np.testing.assert_allclose(features[0], features[2], atol=1e-5)
    plain = replace(net, card=net.card.model_copy(update={"params": {}}))
    np.testing.assert_allclose(logits, predict_logits(plain, squares)[[8, 0, 8]], atol=1e-4)
