import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from conftest import encode, texture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from pipeline.data.read import MIN_SIDE, decode
from pipeline.errors import UnreadableImageError

# Muted: JPEG holds luma and colour apart, and a garish picture has no exact place in it.
COLOUR = np.dstack([texture(1, 60, 80) // 2 + texture(number, 60, 80) // 8 + 40 for number in (2, 3, 4)])


def pil_bytes(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decode_grey(data):
    return decode(data).grey


def upright_grey(data):
    """What Pillow, another decoder, makes of a file."""
    return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("L"))


def assert_close(grey, wanted, levels=1):
    assert grey.dtype == np.uint8
    assert grey.flags.c_contiguous
    assert grey.shape == wanted.shape
    assert np.abs(grey.astype(int) - wanted.astype(int)).max() <= levels


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "JPEG", "WEBP"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "LA", "RGBA", "CMYK"])
def test_kinds_and_modes(kind, mode):
    image = Image.fromarray(COLOUR).convert(mode)
    try:
        data = pil_bytes(image, kind)
    except OSError:
        pytest.skip(f"Pillow writes no {kind} in mode {mode}")
    assert_close(decode_grey(data), upright_grey(data), levels=2)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_few_colours(bits):
    data = pil_bytes(Image.fromarray(COLOUR).convert("L").quantize(2**bits), "PNG", bits=bits)
    assert_close(decode_grey(data), upright_grey(data))


@pytest.mark.parametrize("ending", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_not_cut(ending, channels):
    image = COLOUR if channels == 3 else COLOUR[:, :, 0]
    data = encode(image.astype(np.uint16) * 257, ending)
    wanted = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) if channels == 3 else image
    assert_close(decode_grey(data), wanted)


@given(st.integers(0, 65535))
@settings(max_examples=30)
def test_sixteen_bit_levels_are_rounded_to_the_nearest(level):
    data = encode(np.full((MIN_SIDE, MIN_SIDE), level, np.uint16))
    assert decode_grey(data)[0, 0] == round(level * 255 / 65535)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("PNG", "RGB"), ("PNG", "RGBA"), ("WEBP", "RGB")])
def test_exif_orientation(kind, mode, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = pil_bytes(Image.fromarray(COLOUR).convert(mode), kind, exif=exif)
    assert_close(decode_grey(data), upright_grey(data))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_tiff_orientation(mode, orientation):
    data = pil_bytes(Image.fromarray(COLOUR).convert(mode), "TIFF", tiffinfo={0x0112: orientation})
    assert_close(decode_grey(data), upright_grey(data))


def test_transparent_pixels_lie_on_black():
    image = np.dstack([COLOUR, np.full((60, 80), 255, np.uint8)])
    image[:30, :, 3] = 0
    image[30:40, :, 3] = 128
    grey = decode_grey(encode(image))
    opaque = cv2.cvtColor(COLOUR, cv2.COLOR_BGR2GRAY)
    assert (grey[:30] == 0).all()
    assert_close(grey[30:40], np.rint(opaque[30:40].astype(float) * 128 / 255).astype(np.uint8))
    assert_close(grey[40:], opaque[40:], levels=2)


def test_white_is_zero_tiff():
    data = pil_bytes(Image.fromarray(COLOUR).convert("L"), "TIFF", tiffinfo={262: 0})
    assert_close(decode_grey(data), upright_grey(data))


def test_white_is_zero_tiff_of_sixteen_bits():
    image = COLOUR[:, :, 0].astype(np.uint16) * 257
    data = bytearray(pil_bytes(Image.fromarray(image), "TIFF"))
    # Pillow writes no such file; the entry's value is changed in place: tag 262, type 3 (short), count 1.
    entry = data.index(bytes([0x06, 0x01, 0x03, 0x00, 0x01, 0x00, 0x00, 0x00]))
    data[entry + 8] = 0
    assert_close(decode_grey(bytes(data)), 255 - COLOUR[:, :, 0])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("ending", [".png", ".tif"])
def test_half_transparent_white_is_half_grey(ending, dtype):
    full = np.iinfo(dtype).max
    image = np.full((16, 16, 4), full, dtype)
    image[:, :, 3] = full // 2
    assert np.abs(decode_grey(encode(image, ending)).astype(int) - 127).max() <= 1
    if dtype == np.uint8:
        declared = pil_bytes(Image.fromarray(image), "PNG" if ending == ".png" else "TIFF")
        assert np.abs(decode_grey(declared).astype(int) - 127).max() <= 1


def test_bytes_after_the_end_of_a_png_do_no_harm():
    assert_close(decode_grey(encode(COLOUR[:, :, 0]) + b"x" * 1000), COLOUR[:, :, 0])


@pytest.mark.parametrize("ending", [".jpg", ".png", ".bmp", ".tif", ".webp"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.9, 0.99])
def test_cut_short(ending, share, capfd):
    data = encode(COLOUR, ending)
    with pytest.raises(UnreadableImageError):
        decode_grey(data[: int(len(data) * share)])
    assert capfd.readouterr().err == ""


def test_sizes_are_refused_before_anything_is_decoded():
    with pytest.raises(UnreadableImageError, match="wanted at least 8 pixels a side, found 1x1"):
        decode_grey(encode(np.zeros((1, 1), np.uint8)))
    bomb = bytearray(encode(np.zeros((8, 8), np.uint8)))
    bomb[16:24] = (30_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    with pytest.raises(UnreadableImageError, match="found 30000x30000"):
        decode_grey(bytes(bomb))


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_other_numbers_are_refused(dtype):
    with pytest.raises(UnreadableImageError, match="wanted 8 or 16-bit values"):
        decode_grey(encode(COLOUR[:, :, 0].astype(dtype), ".tif"))


def test_other_kinds_are_refused():
    with pytest.raises(UnreadableImageError, match="wanted a BMP, JPEG, PNG, TIFF or WebP image"):
        decode_grey(pil_bytes(Image.fromarray(COLOUR), "GIF"))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    with pytest.raises(UnreadableImageError):
        decode_grey(data)


@given(st.sampled_from([".jpg", ".png", ".bmp", ".tif", ".webp"]), st.data())
@settings(max_examples=150, deadline=None)
def test_damaged_files_are_read_or_refused(ending, data):
    damaged = bytearray(encode(COLOUR, ending))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, min(len(damaged), 400) - 1))] = data.draw(st.integers(0, 255))
    try:
        grey = decode_grey(bytes(damaged))
    except UnreadableImageError:
        return
    assert grey.dtype == np.uint8
    assert grey.ndim == 2


def tiff(samples, planar=1, extra=None):
    """A TIFF of one strip (or one a plane) of (H, W, C) samples, which no encoder here writes so."""
    height, width, channels = samples.shape
    strips = [samples[:, :, k].tobytes() for k in range(channels)] if planar == 2 else [samples.tobytes()]
    tags = {256: width, 257: height, 258: [8 * samples.itemsize] * channels, 259: 1, 262: 2, 273: [0] * len(strips)}
    tags |= {277: channels, 278: height, 279: [len(strip) for strip in strips], 284: planar}
    tags |= {} if extra is None else {338: extra}
    lists = {tag: value if isinstance(value, list) else [value] for tag, value in sorted(tags.items())}
    place = 8 + 2 + 12 * len(lists) + 4
    first = place + sum(4 * len(value) for value in lists.values() if len(value) > 1)
    lists[273] = [first + sum(map(len, strips[:k])) for k in range(len(strips))]
    entries, further = b"", b""
    for tag, value in lists.items():
        packed = struct.pack(f"<{len(value)}I", *value)
        # Numbers of four bytes; where there are several, they stand further on.
        held = packed if len(value) == 1 else struct.pack("<I", place + len(further))
        further += packed if len(value) > 1 else b""
        entries += struct.pack("<HHI", tag, 4, len(value)) + held
    return b"II*\0" + struct.pack("<IH", 8, len(lists)) + entries + bytes(4) + further + b"".join(strips)


@pytest.mark.parametrize("extra", [0, 1])
def test_a_fourth_sample_of_sixteen_bits_that_is_no_alpha_to_apply(extra):
    """An infrared channel, say; or alpha that the colours were multiplied by already."""
    image = np.dstack([COLOUR, COLOUR[:, :, 0] // 2]).astype(np.uint16) * 257
    wanted = cv2.cvtColor(np.ascontiguousarray(COLOUR[:, :, ::-1]), cv2.COLOR_BGR2GRAY)
    assert_close(decode_grey(tiff(image, extra=extra)), wanted)


def test_planes_of_sixteen_bits_are_refused():
    """OpenCV makes of them what happens to stand in memory."""
    with pytest.raises(UnreadableImageError, match="wanted 16-bit samples pixel by pixel, found them in planes"):
        decode(tiff(COLOUR.astype(np.uint16) * 257, planar=2))
    assert_close(decode_grey(tiff(COLOUR.astype(np.uint16) * 257)), upright_grey(tiff(COLOUR)))


@pytest.mark.parametrize("masks", [3, 4])
def test_the_unused_byte_of_a_bitmap_is_no_alpha(masks):
    height, width = COLOUR.shape[:2]
    pixels = np.dstack([COLOUR, np.zeros((height, width), np.uint8)])[::-1].tobytes()
    header = struct.pack("<IiiHHIIiiII", 40 if masks == 3 else 56, width, height, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    header += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0)[: 4 * masks]
    start = 14 + len(header)
    data = b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + header + pixels
    assert_close(decode_grey(data), cv2.cvtColor(COLOUR, cv2.COLOR_BGR2GRAY))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*", b"Exif\0\0II*\0\x08\0", b"Exif\0\0"])
def test_exif_that_is_cut_short_says_nothing(kind, exif):
    options = {"lossless": True} if kind == "WEBP" else {}
    data = pil_bytes(Image.fromarray(COLOUR), kind, exif=exif, **options)
    assert_close(
        decode_grey(data), cv2.cvtColor(np.ascontiguousarray(COLOUR[:, :, ::-1]), cv2.COLOR_BGR2GRAY), levels=12
    )


def test_a_png_is_not_unpacked_twice(monkeypatch):
    plain = pil_bytes(Image.fromarray(COLOUR), "PNG")
    turned = pil_bytes(Image.fromarray(COLOUR), "PNG", exif=_turned())
    loads = []
    load = ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: loads.append(1) or load(self))
    upright = decode_grey(plain)
    assert loads == []
    assert_close(decode_grey(turned), upright[::-1, ::-1])


def _turned():
    exif = Image.Exif()
    exif[0x0112] = 3
    return exif
