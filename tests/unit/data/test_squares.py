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


def jpeg(seed, blur, height=240, width=320, quality=85):
    rng = np.random.default_rng(seed)
    image = cv2.resize(rng.uniform(50, 180, (6, 8)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    image = cv2.GaussianBlur(image + rng.normal(0, 25, image.shape).astype(np.float32), (0, 0), blur)
    return cv2.imencode(".jpg", np.clip(image, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])[
        1
    ].tobytes()


@given(st.integers(0, 10**6), st.floats(0.5, 4), st.integers(40, 95), st.sampled_from([32, 48, 56]))
@settings(max_examples=40, deadline=None)
def test_jpegs_differ_by_less_than_one_grey_level_from_a_full_decode(seed, blur, quality, size):
    data = jpeg(seed, blur, quality=quality)
    full = area(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), size)
    seen = read_photograph(data, size)
    assert (seen.height, seen.width) == (240, 320)
    assert np.abs(seen.square.astype(float) - full).mean() < 1


def test_soft_jpegs_are_decoded_at_half_their_size(monkeypatch):
    flags = []
    imdecode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda data, flag: flags.append(flag) or imdecode(data, flag))
    read_photograph(jpeg(0, 3), 32)
    read_photograph(jpeg(0, 3), 100)
    read_photograph(jpeg(0, 3, height=241), 32)
    read_photograph(jpeg(0, 0.3, quality=95), 32)
    half = [bool(flag & cv2.IMREAD_REDUCED_GRAYSCALE_2 == cv2.IMREAD_REDUCED_GRAYSCALE_2) for flag in flags]
    assert half == [True, False, False, False]
