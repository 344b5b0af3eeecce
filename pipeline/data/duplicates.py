"""Find photographs of one part by their pixels: at another exposure, slightly shifted, rescaled or recompressed.

A picture is brought to a form in which the light no longer counts: small, each place measured against its
neighbourhood (mean taken off, divided by the local contrast), and its spatial frequencies brought nearly to one
strength, up to a limit beyond which noise reigns. Two such forms are compared by their correlation at the shift where
it is best: band-limited phase-only correlation (K. Ito et al., IEICE Trans. Fundamentals E87-A:3, 2004), which looks
for the same details in the same places, and not for the same kind of surface.

Only likely pairs are compared so. In the lowest frequencies a picture is some hundred numbers, and a coarse grid of
shifts is enough: of many pictures, those near to each of a new one's shifts are looked up in an index (HNSW: Y. Malkov,
D. Yashunin, arXiv 1603.09320), of few all are tried. docs/groups.md has the figures behind every choice here.
"""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
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
_LOWEST, _LOW, _HIGH = 2, 6, 22  # cycles a side: where the form begins, where its coarse part ends, where it ends
_WHITENING = 0.8  # 1: all frequencies count the same; a bit less lets the clearer ones count more
_LEAST_COARSE = 0.6  # of the coarse parts: of different parts, one pair in a thousand reaches it
_LIKELY = 0.45  # of the coarse parts, where the grid of shifts may be one and a half pixels off
_SHIFTS = tuple(product((0.0, 3.0, -3.0, 6.0, -6.0), repeat=2))  # pixels of the form, down and across
_MOST_LIKELY = 64  # pairs for each picture: where more are alike, it is their kind
_EXHAUSTIVE = 10**8  # pairs; beyond, the index is faster
_INDEX_LINKS, _INDEX_BREADTH, _INDEX_ANSWERS = 16, 48, 16
_LIKENESSES_AT_ONCE = 2**24  # 64 MB
_PAIRS_AT_ONCE = 512

Float = NDArray[np.float32]
Form = NDArray[np.int8]
"""(N, F, 2): the whitened frequencies of N pictures, real and imaginary part, in steps of 1/127 of the largest."""

_FREQUENCIES = np.fft.fftfreq(_SIDE) * _SIDE
_RADIUS = np.hypot(_FREQUENCIES[:, None], _FREQUENCIES[None, : _SIDE // 2 + 1])
_BAND = (_RADIUS >= _LOWEST) & (_RADIUS <= _HIGH)
_WINDOW = np.outer(*[np.sqrt(np.hanning(_SIDE + 2)[1:-1])] * 2).astype(np.float32)


class _Grid(NamedTuple):
    """Where two pictures are laid on each other: by some frequencies of the form, on side x side points.

    Attributes
    ----------
    members : int64 (G,), their places in the form
    lines, columns : int64 (G,), the frequencies down and across, in cycles a side
    weight : int32 (G,), for how many frequencies of the whole spectrum one stands
    side : of the grid of shifts; an eighth of it to all sides is looked at
    """

    members: NDArray[np.int64]
    lines: NDArray[np.int64]
    columns: NDArray[np.int64]
    weight: NDArray[np.int32]
    side: int


def _grid(highest: int, side: int) -> _Grid:
    members = np.flatnonzero(_RADIUS[_BAND] <= highest)
    lines, columns = (places[members] for places in np.nonzero(_BAND))
    weight = np.where(columns == 0, 1, 2).astype(np.int32)  # the first column holds both halves, the others one
    return _Grid(members, _FREQUENCIES[lines].astype(np.int64), columns, weight, side)


# Sides of twice the highest frequency and more, that transform fast.
_FINE = _grid(_HIGH, 48)
_COARSE = _grid(_LOW, 24)
# Of the coarse part's column with both halves, one says all.
_ONCE = (_COARSE.columns > 0) | (_COARSE.lines > 0)


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


NO_PAIRS = Pairs(np.empty((0, 2), np.int64), np.empty(0, np.float32), np.empty(0, bool))


def extract(squares: Sequence[np.ndarray] | NDArray[np.uint8], rows: NDArray[np.int64]) -> Form:
    """Return the forms, int8 (K, F, 2), of `rows`, int64 (K,), of the packed images, uint8 (N, S, S)."""
    pieces = np.array_split(rows, max(1, -(-len(rows) // 64)))

    def of(piece: NDArray[np.int64]) -> Form:
        return np.stack([_form(squares[row]) for row in piece])

    if not len(rows):
        return np.empty((0, int(_BAND.sum()), 2), np.int8)
    return np.concatenate(list(map_threads(of, pieces, "group: looking", images=len)))


def mirror(form: Form) -> Form:
    """Return the forms, (N, F, 2), of the pictures mirrored left for right."""
    spectra = _spectra(form, _FINE._replace(side=_SIDE))
    # A picture that is mirrored has the spectrum of the original with the columns' frequencies negated; of a real
    # picture that is the complex conjugate with those of the lines negated.
    flipped = np.conj(np.roll(spectra[:, ::-1], 1, axis=1))
    return _parts(flipped[:, _BAND])


def find_pairs(form: Form, new: NDArray[np.int64], mirrored: bool) -> Pairs:
    """Return the pairs of which one picture at least is `new`: int64 (K,), ascending.

    Parameters
    ----------
    form : int8 (N, F, 2), of all pictures
    mirrored : also compare mirrored left for right, top for bottom, and both
    """
    likely = _likely(form, new, mirrored)
    blocks = np.array_split(likely, max(1, -(-len(likely) // _PAIRS_AT_ONCE)))

    def compare(block: NDArray[np.int64]) -> Pairs:
        a, b = form[block[:, 0]], form[block[:, 1]]
        score, turned = correlation(a, b), np.zeros(len(block), bool)
        if mirrored:
            others = np.max([correlation(a, c) for c in _turned(b)], axis=0)
            turned, score = others > score, np.maximum(score, others)
        kept = score >= LEAST_SCORE
        return Pairs(block[kept], score[kept], turned[kept])

    with ThreadPoolExecutor(available_cores()) as executor:
        results = list(tqdm(executor.map(compare, blocks), "group: comparing", len(blocks), unit="block", disable=None))
    return Pairs(*(np.concatenate(parts) for parts in zip(*results, strict=True)))


def correlation(a: Form, b: Form) -> Float:
    """Return how much alike the pictures with these forms are: float32 (B,), -1 to 1, from int8 (B, F, 2).

    1 for a picture and itself; of different photographs of one part it is lower the more noise and change there is.
    0 where already the coarse parts differ.
    """
    scores = np.zeros(len(a), np.float32)
    alike = np.flatnonzero(_correlation(a, b, _COARSE) >= _LEAST_COARSE)
    scores[alike] = _correlation(a[alike], b[alike], _FINE)
    return scores


def _correlation(a: Form, b: Form, grid: _Grid) -> Float:
    if not len(a):
        return np.empty(0, np.float32)
    first, second = _spectra(a, grid), _spectra(b, grid)
    surface = np.fft.irfft2(first * np.conj(second), s=(grid.side, grid.side))
    shifts = np.arange(-(grid.side // 8), grid.side // 8 + 1)
    peak = surface[:, shifts[:, None], shifts].max(axis=(1, 2))
    size = _energy(a, grid) * _energy(b, grid)
    scores: Float = np.divide(
        peak, size, out=np.zeros(len(a), np.float32), where=size > 0, dtype=np.float32, casting="unsafe"
    )
    return scores


def _form(square: np.ndarray) -> Form:
    spectrum = np.fft.rfft2(_even_light(square))
    strength = np.abs(spectrum)
    whitened = np.divide(spectrum, strength**_WHITENING, out=np.zeros_like(spectrum), where=strength > 0)
    return _parts(whitened[_BAND])


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


def _turned(form: Form) -> list[Form]:
    """Return the forms of the pictures turned by 180 degrees, mirrored, and both."""
    half_turn = np.array([1, -1], np.int8)  # the complex conjugate
    mirrored = mirror(form)
    return [form * half_turn, mirrored, mirrored * half_turn]


def _spectra(form: Form, grid: _Grid) -> NDArray[np.complex64]:
    """Lay the members out as half spectra of real pictures: complex64 (B, side, side / 2 + 1)."""
    members = form[:, grid.members]
    spectra = np.zeros((len(form), grid.side, grid.side // 2 + 1), np.complex64)
    spectra[:, grid.lines % grid.side, grid.columns] = members[..., 0] + 1j * members[..., 1].astype(np.float32)
    return spectra


def _energy(form: Form, grid: _Grid) -> Float:
    """Return the root of the energy of the real pictures with these spectra, in the units of `irfft2`'s values."""
    members = form[:, grid.members].astype(np.int32)
    # In whole numbers (below 2^31): the same in any batch.
    energy = np.einsum("bfc,bfc,f->b", members, members, grid.weight)
    return np.asarray(np.sqrt(energy / grid.side**2), np.float32)


def _likely(form: Form, new: NDArray[np.int64], mirrored: bool) -> NDArray[np.int64]:
    """Return the pairs worth comparing of which one picture at least is `new`: int64 (M, 2), ascending, none twice."""
    stored = _coarse(form)
    asked = [stored[new]] + [_coarse(each) for each in (_turned(form[new]) if mirrored else [])]
    search = _tried if len(new) * len(form) <= _EXHAUSTIVE else _looked_up
    found = [np.empty((0, 2), np.int64), *(np.sort(pairs, axis=1) for pairs in search(stored, new, asked))]
    return np.unique(np.concatenate(found), axis=0)


def _coarse(form: Form) -> NDArray[np.complex64]:
    """Return the coarse part, complex64 (N, G), unit length."""
    members = form[:, _COARSE.members[_ONCE]].astype(np.float32)
    values = members[..., 0] + 1j * members[..., 1]
    return np.asarray(values / (np.linalg.norm(values, axis=1, keepdims=True) + 1e-9), np.complex64)


def _shifted(coarse: NDArray[np.complex64], shifts: Sequence[tuple[float, ...]] = _SHIFTS) -> Iterator[Float]:
    """Yield the pictures' coarse parts at each shift as real vectors, float32 (N, 2 G)."""
    lines, columns = _COARSE.lines[_ONCE], _COARSE.columns[_ONCE]
    for down, across in shifts:
        turn = np.exp(2j * np.pi * (lines * down + columns * across) / _SIDE).astype(np.complex64)
        yield _real(coarse * turn)


def _real(coarse: NDArray[np.complex64]) -> Float:
    return np.concatenate([coarse.real, coarse.imag], axis=1)


def _tried(
    stored: NDArray[np.complex64], new: NDArray[np.int64], asked: Sequence[NDArray[np.complex64]]
) -> Iterator[NDArray[np.int64]]:
    """Compare each new picture with all old ones and the new ones before it."""
    is_old = np.ones(len(stored), bool)
    is_old[new] = False
    order = np.concatenate([np.flatnonzero(is_old), new])
    vectors, first = _real(stored[order]), len(order) - len(new)
    block = max(1, _LIKENESSES_AT_ONCE // max(1, len(stored)))
    for start in tqdm(range(0, len(new), block), desc="group: sifting", unit="block", disable=None):
        rows = slice(start, start + block)
        count = len(new[rows])
        others = vectors[: first + start + count]
        likeness = np.full((count, len(others)), -1, np.float32)
        for question in asked:
            for shifted in _shifted(question[rows]):
                np.maximum(likeness, shifted @ others.T, out=likeness)
        likeness[:, first + start :][np.triu_indices(count)] = -1  # itself, and those that come after it
        lines, columns = np.nonzero(likeness >= _LIKELY)
        kept = _best(lines, columns, likeness[lines, columns])
        yield np.stack([new[rows][lines[kept]], order[columns[kept]]], axis=1)


def _looked_up(
    stored: NDArray[np.complex64], new: NDArray[np.int64], asked: Sequence[NDArray[np.complex64]]
) -> Iterator[NDArray[np.int64]]:
    """Look the neighbours of each new picture up in an index of all, which may miss some."""
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells of its loading
    import faiss  # slow to import, and most sets do without

    # Where each picture asks, half of the shifts are enough: the other picture of a pair asks for the other half.
    halves = [shift for shift in _SHIFTS if shift >= (0.0, 0.0)] if len(new) == len(stored) else _SHIFTS
    questions = [(asked[0], halves), *((question, _SHIFTS) for question in asked[1:])]
    index = faiss.IndexHNSWFlat(_real(stored[:1]).shape[1], _INDEX_LINKS, faiss.METRIC_INNER_PRODUCT)
    # On several threads the index, and so what is missed, would be another each time.
    faiss.omp_set_num_threads(1)
    block = 4096
    for start in tqdm(range(0, len(stored), block), desc="group: indexing", unit="block", disable=None):
        index.add(_real(stored[start : start + block]))
    faiss.omp_set_num_threads(available_cores())
    index.hnsw.efSearch = _INDEX_BREADTH
    for start in tqdm(range(0, len(new), block), desc="group: sifting", unit="block", disable=None):
        rows = slice(start, start + block)
        answers = [
            index.search(shifted, _INDEX_ANSWERS)
            for question, shifts in questions
            for shifted in _shifted(question[rows], shifts)
        ]
        scores = np.concatenate([score for score, _ in answers], axis=1)
        others = np.concatenate([place for _, place in answers], axis=1)
        lines, columns = np.nonzero((scores >= _LIKELY) & (others != new[rows][:, None]) & (others >= 0))
        others, scores = others[lines, columns], scores[lines, columns]
        kept = _best(lines, others, scores)
        yield np.stack([new[rows][lines[kept]], others[kept]], axis=1)


def _best(lines: NDArray[np.int64], others: NDArray[np.int64], scores: Float) -> NDArray[np.int64]:
    """Return which of the pairs (line, other), int64 (M,), to keep: each once, and of each line the best."""
    order = np.lexsort((-scores, others, lines))
    again = (np.diff(lines[order], prepend=-1) == 0) & (np.diff(others[order], prepend=-1) == 0)
    order = order[~again]
    order = order[np.lexsort((-scores[order], lines[order]))]
    starts = np.flatnonzero(np.diff(lines[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    return np.asarray(order[rank < _MOST_LIKELY])
