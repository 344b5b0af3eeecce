from collections import Counter

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.training.batches import (
    balanced,
    evenly,
    gather,
    gather_labels,
    grey_statistics,
    normalise,
    resident,
    shown_at_once,
    shuffled,
    to_input,
    to_resolution,
)

CPU = torch.device("cpu")

label_lists = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(lambda labels: np.array(labels, dtype=np.int64))
seeds = st.integers(0, 2**31)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def mapped(tmp_path):
    """uint8 (6, 5, 7), memory-mapped read-only, as the packed images are; neither square nor symmetric."""
    images = np.random.default_rng(0).integers(0, 256, (6, 5, 7), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    return np.load(tmp_path / "images.npy", mmap_mode="r")


def test_gather_takes_rows_in_the_order_asked_for(mapped):
    rows = np.array([4, 0, 4])
    batch = gather(mapped, rows, CPU)
    assert batch.dtype == torch.uint8
    assert np.array_equal(batch.numpy(), mapped[rows])


def test_gather_owns_its_copy(mapped):
    batch = gather(mapped, np.array([1]), CPU)
    batch += 1
    assert not np.array_equal(batch.numpy(), mapped[[1]])


def test_gather_from_a_tensor_is_gather_from_the_map(mapped):
    rows = np.array([5, 0, 5])
    assert torch.equal(gather(torch.from_numpy(mapped.copy()), rows, CPU), gather(mapped, rows, CPU))


def test_images_stay_a_map_on_the_cpu_and_where_a_gpu_is_too_small(mapped, monkeypatch):
    assert resident(mapped, CPU) is mapped
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2 * mapped.nbytes - 1, 10**9))
    assert resident(mapped, torch.device("cuda")) is mapped


@pytest.mark.skipif(not torch.cuda.is_available(), reason="wants a GPU")
def test_images_go_to_a_gpu_that_has_room(mapped):
    there = resident(mapped, torch.device("cuda"))
    assert there.device.type == "cuda"
    assert np.array_equal(there.cpu().numpy(), mapped)


def test_gather_of_no_rows(mapped):
    assert gather(mapped, np.array([], dtype=np.int64), CPU).shape == (0, 5, 7)


@pytest.mark.parametrize("row", [-1, 6])
def test_gather_does_not_wrap_or_clip(mapped, row):
    with pytest.raises(AssertionError):
        gather(mapped, np.array([row]), CPU)


def test_labels_go_with_their_rows():
    labels = gather_labels(np.array([5, 6, 7]), np.array([2, 0]), CPU)
    assert labels.dtype == torch.int64
    assert labels.tolist() == [7, 5]


def test_input_at_the_stored_size_is_the_image_itself():
    images = torch.arange(2 * 4 * 4, dtype=torch.uint8).view(2, 4, 4)
    shown = to_input(images, 4, mean=10.0, std=2.0)
    assert shown.shape == (2, 1, 4, 4)
    assert shown.dtype == torch.float32
    assert torch.equal(shown[:, 0], (images.float() - 10) / 2)


def test_input_is_channels_last():
    shown = to_input(torch.zeros(2, 8, 8, dtype=torch.uint8), 4, 0.0, 1.0)
    assert shown.is_contiguous(memory_format=torch.channels_last)


def test_input_is_the_two_halves_that_training_changes_images_between():
    images = torch.randint(0, 256, (3, 20, 20), dtype=torch.uint8)
    assert torch.equal(to_input(images, 9, 100.0, 30.0), normalise(to_resolution(images, 9), 100.0, 30.0))


def test_scaling_down_neither_transposes_nor_mirrors():
    image = np.zeros((40, 40), np.uint8)
    image[:4, 20:] = 200  # a bar along the right half of the upper edge
    small = to_resolution(torch.from_numpy(image)[None], 10)[0, 0]
    assert small[0, 5:].min() > 90
    assert small[0, :4].max() < 10
    assert small[2:].max() < 10


def test_scaling_down_averages_fine_texture_away():
    checkerboard = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = to_resolution(torch.from_numpy(checkerboard)[None], 16)
    assert small.std() < 2
    assert small.mean() == pytest.approx(127.5, abs=1)


def test_scaling_down_is_close_to_opencvs_area_average():
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8), (5, 5), 0)
    small = to_resolution(torch.from_numpy(image)[None], 16)[0, 0].numpy()
    area = cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA)
    assert np.abs(small - area).mean() < 4


def test_grey_statistics_are_exact_and_of_the_rows_alone(mapped):
    rows = np.array([0, 2, 3])
    mean, std = grey_statistics(mapped, rows)
    assert mean == pytest.approx(mapped[rows].mean(), rel=1e-12)
    assert std == pytest.approx(mapped[rows].std(), rel=1e-12)


def test_grey_statistics_of_more_rows_than_are_read_at_once():
    images = np.random.default_rng(0).integers(0, 256, (2500, 3, 3), dtype=np.uint8)
    assert grey_statistics(images, np.arange(2500)) == pytest.approx((images.mean(), images.std()))


def test_images_without_contrast_are_not_divided_by_zero():
    assert grey_statistics(np.full((2, 3, 3), 7, np.uint8), np.arange(2)) == (7.0, 1.0)


@given(st.lists(st.integers(0, 1000), max_size=50, unique=True).map(np.array), seeds)
def test_shuffled_is_a_permutation(rows, seed):
    rows = rows.astype(np.int64)
    found = shuffled(rows, rng(seed))
    assert sorted(found) == sorted(rows)
    assert np.array_equal(found, shuffled(rows, rng(seed)))


def test_shuffled_shuffles():
    rows = np.arange(50)
    assert not np.array_equal(shuffled(rows, rng(0)), rows)
    assert not np.array_equal(shuffled(rows, rng(0)), shuffled(rows, rng(1)))


@given(label_lists, seeds)
def test_balanced_draws_every_class_equally_often_and_its_rows_evenly(labels, seed):
    rows = np.flatnonzero(np.arange(len(labels)) % 3 < 2)  # a part of the set
    found = balanced(rows, labels, rng(seed))
    assert len(found) == len(rows)
    assert set(found) <= set(rows)
    of_class = Counter(labels[found].tolist())
    quotas = [of_class[label] for label in np.unique(labels[rows])]
    assert max(quotas) - min(quotas) <= 1
    of_row = Counter(found.tolist())
    for label in np.unique(labels[rows]):
        times = [of_row[row] for row in rows[labels[rows] == label]]
        assert max(times) - min(times) <= 1
    assert np.array_equal(found, balanced(rows, labels, rng(seed)))


def test_balanced_reaches_every_class_in_the_long_run_where_there_are_more_classes_than_rows_to_draw():
    labels = np.arange(3).repeat(1)
    drawn = np.concatenate([balanced(np.arange(3), labels, rng(seed)) for seed in range(5)])
    assert set(drawn) == {0, 1, 2}


def test_balanced_mixes_the_classes():
    labels = np.array([0] * 90 + [1] * 10)
    found = labels[balanced(np.arange(100), labels, rng(0))]
    assert 15 < found[:50].sum() < 35


@given(st.integers(1, 200), st.integers(1, 200))
def test_evenly_keeps_order_and_sizes_differ_by_one_at_most(count, most):
    pieces = list(evenly(np.arange(count), most))
    assert np.array_equal(np.concatenate(pieces), np.arange(count))
    sizes = [len(piece) for piece in pieces]
    assert max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    assert len(pieces) == -(-count // most)


def test_evenly_of_nothing_is_one_empty_piece():
    assert [len(piece) for piece in evenly(np.arange(0), 8)] == [0]


@given(st.integers(1, 4096))
def test_as_many_are_asked_about_at_once_as_take_no_more_memory_than_64_of_224_pixels(resolution):
    count = shown_at_once(resolution)
    assert 1 <= count <= 64
    assert count == 1 or count * resolution**2 <= 64 * 224**2
    assert count == 64 or (count + 1) * resolution**2 > 64 * 224**2
