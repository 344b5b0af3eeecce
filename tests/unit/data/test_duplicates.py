import cv2
import numpy as np
import pytest
from conftest import SHARED_DATA
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data import duplicates
from pipeline.data.duplicates import LEAST_SCORE, correlation, extract, find_pairs, mirror
from pipeline.data.squares import resize_square

SIZE = 96


def part(seed):
    """A picture of a part that is like no other: broad light, details, grain. float32 (SIZE, SIZE), 0..255."""
    rng = np.random.default_rng(seed)
    broad = cv2.resize(rng.uniform(60, 160, (5, 5)).astype(np.float32), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    details = cv2.GaussianBlur(rng.normal(0, 60, (SIZE, SIZE)).astype(np.float32), (0, 0), 2)
    return np.clip(broad + details, 0, 255)


def photograph(picture, gain=1.0, offset=0.0, gamma=1.0, shift=(0, 0), noise=0.0, quality=95):
    moved = np.roll(picture, shift, (0, 1))
    rng = np.random.default_rng(1)
    levels = 255 * gain * (moved / 255) ** gamma + offset + rng.normal(0, 1, moved.shape) * noise
    grey = np.clip(levels, 0, 255).astype(np.uint8)
    return cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)


def score(one, other):
    form = extract(np.stack([one, other]), np.arange(2))
    return float(correlation(form[:1], form[1:])[0])


@given(
    seed=st.integers(0, 10**6),
    gain=st.floats(0.4, 1.3),
    offset=st.floats(-10, 40),
    gamma=st.floats(0.6, 1.6),
    shift=st.tuples(st.integers(-4, 4), st.integers(-4, 4)),
    noise=st.floats(0, 3),
    quality=st.integers(60, 95),
)
@settings(max_examples=40, deadline=None)
def test_one_part_in_other_light_is_alike_and_another_part_is_not(seed, gain, offset, gamma, shift, noise, quality):
    first = photograph(part(seed))
    other = photograph(part(seed), gain, offset, gamma, shift, noise, quality)
    stranger = photograph(part(seed + 10**7), gain, offset, gamma, shift, noise, quality)
    assert score(first, other) > 0.35
    assert score(first, stranger) < 0.35


@given(st.integers(0, 10**6), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_likeness_is_one_to_itself_and_the_same_both_ways(a, b):
    one, other = photograph(part(a)), photograph(part(b))
    assert score(one, one) == pytest.approx(1, abs=1e-3)
    assert score(one, other) == pytest.approx(score(other, one), abs=1e-4)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_flat_pictures_are_alike_to_nothing(level):
    flat = np.full((SIZE, SIZE), level, np.uint8)
    assert score(flat, flat) == 0
    assert score(flat, photograph(part(1))) == 0


def test_the_mirrored_form_is_that_of_the_mirrored_picture():
    pictures = np.stack([photograph(part(seed)) for seed in range(4)])
    mirrored = np.ascontiguousarray(pictures[:, :, ::-1])
    found = correlation(mirror(extract(pictures, np.arange(4))), extract(mirrored, np.arange(4)))
    assert found.min() > 0.85


@pytest.mark.parametrize("turn", [lambda p: p[:, ::-1], lambda p: p[::-1], lambda p: p[::-1, ::-1]])
def test_mirrored_copies_are_found_on_demand(turn):
    pictures = np.stack(
        [photograph(part(seed)) for seed in range(6)] + [np.ascontiguousarray(turn(photograph(part(2))))]
    )
    form = extract(pictures, np.arange(7))
    assert find_pairs(form, np.arange(7), mirrored=False).pairs.tolist() == []
    pairs = find_pairs(form, np.arange(7), mirrored=True)
    assert (pairs.pairs.tolist(), pairs.mirrored.tolist()) == ([[2, 6]], [True])


def test_what_is_new_is_compared_with_everything():
    pictures = np.stack([photograph(part(seed % 10), gain=0.6 + seed / 40) for seed in range(30)])
    form = extract(pictures, np.arange(30))
    everything = find_pairs(form, np.arange(30), mirrored=False)
    wanted = {(a, b) for a in range(30) for b in range(a + 1, 30) if a % 10 == b % 10}
    assert {tuple(pair) for pair in everything.pairs.tolist()} == wanted
    assert everything.scores.min() >= LEAST_SCORE
    some = find_pairs(form, np.arange(20, 30), mirrored=False)
    assert {tuple(pair) for pair in some.pairs.tolist()} == {pair for pair in wanted if pair[1] >= 20}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("new", [60, 12])
def test_the_index_finds_what_trying_all_finds(monkeypatch, new, mirrored):
    pictures = [
        photograph(part(seed % 20), gain=0.5 + seed / 80, shift=(seed // 20, -seed // 20)) for seed in range(60)
    ]
    pictures[-1] = np.ascontiguousarray(pictures[-1][:, ::-1])
    form = extract(np.stack(pictures), np.arange(60))
    tried = find_pairs(form, np.arange(60 - new, 60), mirrored)
    monkeypatch.setattr(duplicates, "_EXHAUSTIVE", 0)
    looked_up = find_pairs(form, np.arange(60 - new, 60), mirrored)
    assert len(tried.pairs) > 10
    assert [each.tolist() for each in looked_up] == [each.tolist() for each in tried]


def test_no_more_than_the_best_are_compared_of_what_all_looks_alike(monkeypatch):
    monkeypatch.setattr(duplicates, "_MOST_LIKELY", 3)
    form = extract(np.stack([photograph(part(1), gain=0.5 + n / 80) for n in range(40)]), np.arange(40))
    pairs = find_pairs(form, np.arange(40), mirrored=False).pairs
    assert np.bincount(pairs[:, 1]).max() == 3


def test_few_pictures():
    for count in (1, 2):
        pictures = np.stack([photograph(part(seed)) for seed in range(count)])
        assert len(find_pairs(extract(pictures, np.arange(count)), np.arange(count), mirrored=False).pairs) == 0


@pytest.mark.parametrize(("name", "recall", "precision"), [("xsdd_weld7", 0.9, 0.98), ("weld_xray_4c", 0.95, 0.97)])
def test_exposures_of_real_photographs(name, recall, precision):
    files = sorted((SHARED_DATA / name).glob("*/*"))[::4]
    if not files:
        pytest.skip(f"the real photographs of {name} are not beside this checkout")
    rng = np.random.default_rng(0)
    pictures = []
    for file in files:
        grey = resize_square(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE), 128).astype(np.float32)
        for _ in range(3):
            shift = tuple(rng.integers(-5, 6, 2).tolist())
            pictures.append(
                photograph(grey, rng.uniform(0.4, 1.3), rng.uniform(-10, 20), rng.uniform(0.7, 1.5), shift, 2, 80)
            )
    pairs = find_pairs(extract(np.stack(pictures), np.arange(len(pictures))), np.arange(len(pictures)), mirrored=False)
    found = pairs.pairs[pairs.scores >= 0.35] // 3
    right = (found[:, 0] == found[:, 1]).sum()
    assert right / (3 * len(files)) >= recall
    assert right / len(found) >= precision
