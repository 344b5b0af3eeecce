"""What is known of a photograph that is not its content: where it lay, and what kind of file it was."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.data.packed import PackedSet
from pipeline.evaluation.predictions import FloatArray, IntArray
from pipeline.text import shown

_AT_ONCE = 1024  # photographs read at once: 50 MB at 224 x 224
_MOST_SIZES, _MOST_FOLDERS = 6, 12
OTHER = "other"


@dataclass(frozen=True, eq=False)
class Attribute:
    """A way to sort photographs into a few kinds.

    Attributes
    ----------
    name : "file type".
    values : V names: "JPEG", "PNG".
    codes : int64 (N,), of each photograph the place in `values`.
    of_file : whether it belongs to the file or the folder alone; else it is also seen in the picture.
    """

    name: str
    values: tuple[str, ...]
    codes: IntArray
    of_file: bool


def attributes(packed: PackedSet, rows: IntArray, parts: int) -> list[Attribute]:
    """Return folder, file type, size, brightness and file size a pixel of `rows`; amounts as `in_parts` cuts them."""
    entries = [packed.index[row] for row in rows.tolist()]
    pixels = np.array([entry.height * entry.width for entry in entries], np.float64)
    sizes = [f"{entry.width}x{entry.height}" for entry in entries]
    return [
        _kinds("folder", _common([shown(_folder(entry.path)) for entry in entries], _MOST_FOLDERS), True),
        _kinds("file type", [entry.format for entry in entries], True),
        _kinds("size in pixels", sizes, True)
        if len(set(sizes)) <= _MOST_SIZES
        else in_parts("size in pixels", pixels, parts, True),
        in_parts("brightness", brightness(packed, rows), parts, False),
        in_parts("file size a pixel", np.array([entry.size_bytes for entry in entries]) / pixels, parts, False),
    ]


def brightness(packed: PackedSet, rows: IntArray) -> FloatArray:
    """Return the mean grey level of each stored picture, 0 to 255: float64 (M,)."""
    pieces = [
        packed.images[rows[start : start + _AT_ONCE]].mean(axis=(1, 2)) for start in range(0, len(rows), _AT_ONCE)
    ]
    return np.concatenate([np.empty(0), *pieces])


def in_parts(name: str, amounts: FloatArray, parts: int, of_file: bool) -> Attribute:
    """Cut amounts at their quantiles into at most `parts` parts; equal amounts stay together."""
    edges = np.unique(np.quantile(amounts, np.linspace(0, 1, parts + 1)[1:-1])) if len(amounts) else np.empty(0)
    codes = np.searchsorted(edges, amounts, side="left").astype(np.int64)
    used, codes = np.unique(codes, return_inverse=True)
    values = tuple(_range(amounts[codes == place]) for place in range(len(used)))
    return Attribute(name, values, codes.astype(np.int64), of_file)


def _kinds(name: str, kinds: Sequence[str], of_file: bool) -> Attribute:
    values, codes = np.unique(np.array(kinds, dtype=object), return_inverse=True)
    return Attribute(name, tuple(values.tolist()), codes.astype(np.int64), of_file)


def _common(kinds: Sequence[str], most: int) -> list[str]:
    """Put all but the most frequent kinds together."""
    frequent = {kind for kind, _ in Counter(kinds).most_common(most)}
    return [kind if kind in frequent else OTHER for kind in kinds]


def _folder(path: str) -> str:
    """Return where a photograph lies below its class folder; "." if it lies there itself."""
    return "/".join(path.split("/")[1:-1]) or "."


def _range(amounts: npt.NDArray[np.float64]) -> str:
    low, high = (f"{end:.3g}" if end < 1000 else f"{end:.0f}" for end in (amounts.min(), amounts.max()))
    return low if low == high else f"{low} to {high}"
