"""Find photographs of one part by their pixels: at another exposure, slightly shifted, rescaled or recompressed.

A picture is brought to a form in which the light no longer counts: small, each place measured against its
neighbourhood (mean taken off, divided by the local contrast), and its spatial frequencies brought nearly to one
strength, up to a limit beyond which noise reigns. Two such forms are compared by their correlation at the shift where
it is best: band-limited phase-only correlation (K. Ito et al., IEICE Trans. Fundamentals E87-A:3, 2004), which looks
for the same details in the same places, and not for the same kind of surface.

That is exact and slow, so only likely pairs are compared: those whose strengths of frequencies, which no shift
changes, are alike. docs/groups.md has the figures behind every choice here.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.data.parallel import available_cores, map_threads

LEAST_SCORE = 0.25
"""Pairs below are never of use: photographs of different parts often reach it."""

_SIDE = 64  # pixels of the form
_LOCAL, _CONTRAST = 4.0, 8.0  # sigma in pixels of the form: neighbourhood, and that of its contrast
_FLOOR = 3.0  # grey levels: contrast below is noise and compression, and is not raised
_FLAT = 0.01
_LOW, _HIGH, _HIGH_STRENGTH = 2, 22, 14  # cycles a side: what is compared, and for what is likely
_WHITENING = 0.8  # 1: all frequencies count the same; a bit less lets the clearer ones count more
_GRID = 48  # of the correlation; twice _HIGH, and a size that transforms fast
_MOST_SHIFT = 6  # of 48: an eighth of the side
_LIKELY = 0.3  # least likeness of the strengths
_LIKENESSES_AT_ONCE = 2**24  # 64 MB
_PAIRS_AT_ONCE = 512

Float = NDArray[np.float32]
Form = NDArray[np.int8]

_FREQUENCIES = np.fft.fftfreq(_SIDE) * _SIDE
_RADIUS = np.hypot(_FREQUENCIES[:, None], _FREQUENCIES[None, : _SIDE // 2 + 1])
_BAND = (_RADIUS >= _LOW) & (_RADIUS <= _HIGH)
_WINDOW = np.outer(*[np.sqrt(np.hanning(_SIDE + 2)[1:-1])] * 2).astype(np.float32)
# Both halves of the spectrum's edge column are there; one says all for the strengths.
_UPPER = ~((_FREQUENCIES[:, None] < 0) & (np.arange(_SIDE // 2 + 1)[None] == 0))
_STRENGTH_BAND = (_RADIUS >= _LOW) & (_RADIUS <= _HIGH_STRENGTH) & _UPPER


class Features(NamedTuple):
    """What pictures are compared by.

    Attributes
    ----------
    form : int8 (N, F, 2), the whitened frequencies, real and imaginary part, in steps of 1/127 of the largest
    strength : float16 (N, G), unit length: the strengths of the frequencies against those around them
    """

    form: Form
    strength: NDArray[np.float16]


class Pairs(NamedTuple):
    """Pictures that look alike.

    Attributes
    ----------
    pairs : int64 (M, 2), place of each picture, the smaller first; no pair twice; ascending
    scores : float32 (M,), `LEAST_SCORE` to 1
    mirrored : bool (M,), whether one of the two had to be mirrored or turned by 180 degrees
    """

    pairs: NDArray[np.int64]
    scores: Float
    mirrored: NDArray[np.bool_]


def extract(squares: Sequence[np.ndarray] | NDArray[np.uint8], rows: NDArray[np.int64]) -> Features:
    """Return the features of `rows` of the packed images, uint8 (N, S, S)."""
    pieces = np.array_split(rows, max(1, -(-len(rows) // 64)))

    def of(piece: NDArray[np.int64]) -> Features:
        forms, strengths = zip(*(_features(squares[row]) for row in piece), strict=True)
        return Features(np.stack(forms), np.stack(strengths))

    if not len(rows):
        return Features(
            np.empty((0, int(_BAND.sum()), 2), np.int8), np.empty((0, int(_STRENGTH_BAND.sum())), np.float16)
        )
    found = list(map_threads(of, pieces, "group: looking", images=len))
    return Features(np.concatenate([f.form for f in found]), np.concatenate([f.strength for f in found]))


def mirror(form: Form) -> Form:
    """Return the forms, (N, F, 2), of the pictures mirrored left for right."""
    spectra = _spectra(form, _SIDE)
    # A picture that is mirrored has the spectrum of the original with the columns' frequencies negated; of a real
    # picture that is the complex conjugate with those of the lines negated.
    flipped = np.conj(np.roll(spectra[:, ::-1], 1, axis=1))
    return _parts(flipped[:, _BAND])


def find_pairs(features: Features, new: NDArray[np.int64], mirrored: bool) -> Pairs:
    """Return the pairs of which one picture at least is `new`: int64 (K,), ascending.

    Parameters
    ----------
    mirrored : also compare mirrored left for right, top for bottom, and both
    """
    found = [_compared(features, block, mirrored) for block in _likely(features, new, mirrored)]
    pairs = np.concatenate([np.empty((0, 2), np.int64), *(pairs for pairs, _, _ in found)])
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    scores = np.concatenate([np.empty(0, np.float32), *(scores for _, scores, _ in found)])
    turned = np.concatenate([np.empty(0, bool), *(turned for _, _, turned in found)])
    return Pairs(pairs[order], scores[order], turned[order])


def _compared(features: Features, candidates: NDArray[np.int64], mirrored: bool) -> Pairs:
    """Compare all candidates, int64 (M, 2), and keep those that are alike."""
    blocks = np.array_split(candidates, max(1, -(-len(candidates) // _PAIRS_AT_ONCE)))

    def compare(block: NDArray[np.int64]) -> Pairs:
        a, b = features.form[block[:, 0]], features.form[block[:, 1]]
        score = correlation(a, b)
        turned = np.zeros(len(block), bool)
        if mirrored:
            turned_b = _conjugate(b)
            mirrored_b = mirror(b)
            others = np.max([correlation(a, c) for c in (turned_b, mirrored_b, _conjugate(mirrored_b))], axis=0)
            turned, score = others > score, np.maximum(score, others)
        kept = score >= LEAST_SCORE
        return Pairs(block[kept], score[kept], turned[kept])

    with ThreadPoolExecutor(available_cores()) as executor:
        results = list(executor.map(compare, blocks))
    return Pairs(
        np.concatenate([each.pairs for each in results]),
        np.concatenate([each.scores for each in results]),
        np.concatenate([each.mirrored for each in results]),
    )


def correlation(a: Form, b: Form) -> Float:
    """Return how much alike the pictures with these forms are: float32 (B,), -1 to 1, from int8 (B, F, 2).

    1 for a picture and itself; of different photographs of one part it is lower the more noise and change there is.
    """
    if not len(a):
        return np.empty(0, np.float32)
    first, second = _spectra(a, _GRID), _spectra(b, _GRID)
    surface = np.fft.irfft2(first * np.conj(second), s=(_GRID, _GRID))
    shifts = np.arange(-_MOST_SHIFT, _MOST_SHIFT + 1)
    peak = surface[:, shifts][:, :, shifts].reshape(len(a), -1).max(axis=1)
    size = _energy(a) * _energy(b)
    scores: Float = np.divide(
        peak, size, out=np.zeros(len(a), np.float32), where=size > 0, dtype=np.float32, casting="unsafe"
    )
    return scores


def _features(square: np.ndarray) -> tuple[Form, NDArray[np.float16]]:
    spectrum = np.fft.rfft2(_even_light(square))
    strength = np.abs(spectrum)
    whitened = np.divide(spectrum, strength**_WHITENING, out=np.zeros_like(spectrum), where=strength > 0)
    logs = np.log(strength + 0.02 * strength.max() + 1e-9).astype(np.float32)
    logs = np.fft.fftshift(logs, axes=0)
    logs = np.fft.ifftshift(logs - cv2.GaussianBlur(logs, (0, 0), 2.0), axes=0)[_STRENGTH_BAND]
    logs -= logs.mean()
    return _parts(whitened[_BAND]), (logs / (np.linalg.norm(logs) + 1e-9)).astype(np.float16)


def _even_light(square: np.ndarray) -> Float:
    """Return a picture, uint8 (S, S), as float32 (64, 64): each place against its neighbourhood."""
    interpolation = cv2.INTER_AREA if len(square) > _SIDE else cv2.INTER_LINEAR
    small = cv2.resize(square, (_SIDE, _SIDE), interpolation=interpolation).astype(np.float32)
    small -= cv2.GaussianBlur(small, (0, 0), _LOCAL)
    contrast = np.sqrt(cv2.GaussianBlur(small * small, (0, 0), _CONTRAST) + _FLOOR**2)
    even = small / contrast * _WINDOW
    # What is left of a flat picture is rounding, and all rounding is alike.
    return np.asarray(even - even.mean(), np.float32) if even.std() > _FLAT else np.zeros_like(even)


def _parts(spectrum: NDArray[np.complex128]) -> Form:
    parts = np.stack([spectrum.real, spectrum.imag], axis=-1)
    largest = np.abs(parts).max(axis=(-2, -1), keepdims=True)
    scaled = np.divide(127 * parts, largest, out=np.zeros_like(parts), where=largest > 0)
    return np.asarray(np.rint(scaled), np.int8)


def _conjugate(form: Form) -> Form:
    return form * np.array([1, -1], np.int8)


def _spectra(form: Form, side: int) -> NDArray[np.complex64]:
    """Lay the band out as half spectra of real pictures: complex64 (B, side, side / 2 + 1)."""
    lines, columns = np.nonzero(_BAND)
    lines = np.where(lines > _SIDE // 2, lines - _SIDE + side, lines)
    spectra = np.zeros((len(form), side, side // 2 + 1), np.complex64)
    spectra[:, lines, columns] = form[..., 0] + 1j * form[..., 1].astype(np.float32)
    return spectra


def _energy(form: Form) -> Float:
    """Return the root of the energy of the real pictures with these spectra, in the units of `irfft2`'s values."""
    columns = np.nonzero(_BAND)[1]
    weight = np.where(columns == 0, 1, 2)  # all other columns stand for two
    # In whole numbers: the same in any batch.
    squares = (form.astype(np.int64) ** 2).sum(axis=-1)
    energy: Float = np.sqrt((squares * weight).sum(axis=-1) / _GRID**2).astype(np.float32)
    return energy


def _likely(features: Features, new: NDArray[np.int64], mirrored: bool) -> Iterator[NDArray[np.int64]]:
    """Yield the pairs worth comparing, int64 (M, 2), a block of new pictures at a time; no pair twice.

    Whether a pair is depends on its two pictures alone, so that it never depends on when they came. The price is that
    the new pictures are held against all: K x N short products.
    """
    strength = features.strength.astype(np.float32)
    is_new = np.zeros(len(strength), bool)
    is_new[new] = True
    block = max(1, _LIKENESSES_AT_ONCE // max(1, len(strength)))
    for start in tqdm(range(0, len(new), block), desc="group: comparing", unit="block", disable=None):
        rows = new[start : start + block]
        likeness = strength[rows] @ strength.T
        if mirrored:
            np.maximum(likeness, _mirrored_strength(strength[rows]) @ strength.T, out=likeness)
        likely = likeness >= _LIKELY
        # Of two new pictures, the later one looks for the earlier one.
        likely &= ~is_new | (np.arange(len(strength)) < rows[:, None])
        lines, columns = np.nonzero(likely)
        yield np.sort(np.stack([rows[lines], columns], axis=1), axis=1)


def _mirrored_strength(strength: Float) -> Float:
    """Strengths of the mirrored pictures: those at the negated line frequencies."""
    number = np.full(_BAND.shape, -1)
    number[_STRENGTH_BAND] = np.arange(int(_STRENGTH_BAND.sum()))
    flipped = np.roll(number[::-1], 1, axis=0)
    flipped[:, 0] = number[:, 0]  # a column without sign: the same line frequency
    return strength[:, flipped[_STRENGTH_BAND]]
