from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from conftest import encode, texture
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.data import squares
from pipeline.data.squares import read_photograph, read_square, resize_square
from pipeline.errors import UnreadableImageError


def area(grey, size):
    return cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA)


def shares(pixels, cells):
    """What share of each cell each pixel makes up: (cells, pixels)."""
    ends = np.linspace(0, pixels, cells + 1)[:, None]
    inside = np.clip(ends - np.arange(pixels), 0, 1)
    return np.diff(inside, axis=0) * cells / pixels


def photograph(seed, height, width, contrast, noise):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, contrast + 1, (height // 8, width // 8)).astype(np.uint8)
    grey = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(float) + 90
    return np.clip(grey + rng.normal(0, noise, grey.shape), 0, 255).astype(np.uint8)


@given(st.integers(0, 10**6), st.integers(33, 300), st.integers(33, 300), st.integers(0, 100), st.integers(0, 16))
@settings(max_examples=100, deadline=None)
def test_shrinking_is_averaging_over_areas(seed, height, width, noise, strip):
    """Also where a summed-area table does it, in one strip or in many."""
    grey = photograph(seed, height, width, 60, noise)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(squares, "_MANY_PIXELS", 0)
        patch.setattr(squares, "_STRIP_PIXELS", 2**strip)
        for size in (16, 32):
            exact = shares(height, size) @ grey @ shares(width, size).T
            assert np.abs(resize_square(grey, size) - exact).max() <= 0.501


@pytest.mark.parametrize(("height", "width"), [(6000, 100), (200, 2700), (801, 801)])
def test_many_pixels_become_what_opencv_makes_of_them(height, width):
    grey = photograph(0, height, width, 60, 30)
    rows, columns = min(height, 224), min(width, 224)
    wanted = cv2.resize(grey, (columns, rows), interpolation=cv2.INTER_AREA)
    wanted = cv2.resize(wanted, (224, 224), interpolation=cv2.INTER_LINEAR)
    difference = np.abs(resize_square(grey, 224).astype(int) - wanted)
    assert difference.max() <= 1
    assert difference.mean() < 0.01


def test_sums_beyond_32_bits(monkeypatch):
    monkeypatch.setattr(squares, "_STRIP_PIXELS", 2**25)
    white = np.full((3001, 3003), 255, np.uint8)
    assert (resize_square(white, 224) == 255).all()


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


@given(st.integers(0, 10**6), st.floats(0.5, 4), st.integers(40, 95), st.sampled_from([16, 32, 48, 56]))
@settings(max_examples=40, deadline=None)
def test_jpegs_differ_by_less_than_one_grey_level_from_a_full_decode(seed, blur, quality, size):
    data = jpeg(seed, blur, quality=quality)
    full = area(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), size)
    seen = read_photograph(data, size)
    assert (seen.height, seen.width) == (240, 320)
    assert np.abs(seen.square.astype(float) - full).mean() < 1


def test_jpegs_far_larger_than_the_square():
    data = jpeg(0, 1.5, 960, 1280, quality=50)
    full = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.abs(read_square(data, 32).astype(float) - area(full, 32)).mean() < 0.1


@pytest.mark.parametrize("quality", [60, 90])
@pytest.mark.parametrize("period", [2.1, 2.2, 2.3, 2.7, 3.2])
def test_fine_stripes_are_decoded_in_full(period, quality):
    """They vanish at half the size, but what INTER_AREA leaves of them does not."""
    row = 110 + 30 * np.sin(2 * np.pi * np.arange(1280) / period)
    image = np.tile(row.astype(np.uint8), (960, 1))
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    full = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.abs(read_square(data, 224).astype(float) - area(full, 224)).mean() < 0.05


def test_rough_jpegs_are_decoded_in_full(monkeypatch):
    data = jpeg(0, 3)
    full = resize_square(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE), 32)
    assert not np.array_equal(read_square(data, 32), full)
    monkeypatch.setattr(squares, "_SMOOTH", 0.1)
    assert np.array_equal(read_square(data, 32), full)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("progressive", [False, True])
def test_soft_jpegs_that_are_cut_short_are_refused(progressive, share):
    image = cv2.imdecode(np.frombuffer(jpeg(0, 3), np.uint8), cv2.IMREAD_GRAYSCALE)
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)])[1].tobytes()
    assert read_square(data, 32).shape == (32, 32)
    with pytest.raises(UnreadableImageError):
        read_square(data[: int(len(data) * share)], 32)


def test_the_same_bytes_on_any_number_of_threads():
    photographs = [jpeg(seed, blur, 480, 640) for seed in range(4) for blur in (0.3, 3)] * 4
    alone = [read_square(data, 48).tobytes() for data in photographs]
    with ThreadPoolExecutor(4) as executor:
        assert list(executor.map(lambda data: read_square(data, 48).tobytes(), photographs)) == alone


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
