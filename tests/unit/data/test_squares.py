import cv2
import numpy as np
import pytest
from conftest import encode, texture
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data.squares import read_photograph, read_square, resize_square


def area(grey, size):
    return cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA)


@given(st.integers(0, 10**6), st.integers(200, 400), st.integers(200, 400), st.integers(1, 60), st.integers(0, 30))
@settings(max_examples=40, deadline=None)
def test_large_photographs_differ_by_less_than_one_grey_level(seed, height, width, contrast, noise):
    """Whether or not they are halved first: the mean difference to averaging over areas at once."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, contrast + 1, (height // 8, width // 8)).astype(np.uint8)
    grey = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(float) + 90
    grey = np.clip(grey + rng.normal(0, noise, grey.shape), 0, 255).astype(np.uint8)
    for size in (16, 32, 48):
        difference = resize_square(grey, size).astype(float) - area(grey, size)
        assert np.abs(difference).mean() < 1


@pytest.mark.parametrize(
    ("ending", "kind"), [(".jpg", "JPEG"), (".png", "PNG"), (".bmp", "BMP"), (".tif", "TIFF"), (".webp", "WEBP")]
)
def test_size_and_kind_of_the_file(ending, kind):
    seen = read_photograph(encode(texture(0, 40, 60), ending), 32)
    assert (seen.height, seen.width, seen.format) == (40, 60, kind)
    assert seen.square.shape == (32, 32)
    assert np.array_equal(seen.square, read_square(encode(texture(0, 40, 60), ending), 32))
