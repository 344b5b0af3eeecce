"""Photographs of any kind and size -> grey squares of one size, with a manifest."""

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.data.find import Photograph
from pipeline.data.manifest import MANIFEST_NAME, ManifestRow, write_manifest
from pipeline.data.parallel import map_threads
from pipeline.data.read import decode_grey
from pipeline.errors import DataError, UnreadableImageError
from pipeline.files import new_folder
from pipeline.text import shown


class ResizeParams(BaseModel):
    """The `resize` section of params.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    size: int = Field(ge=16, le=4096)
    on_error: Literal["fail", "skip"]


def resize_square(grey: np.ndarray, size: int) -> np.ndarray:
    """Scale a grey picture to `size` x `size`, each axis for itself.

    An axis that shrinks is averaged over areas (INTER_AREA: no aliasing); one that grows is interpolated linearly,
    which unlike cubic interpolation invents no dark or bright rims at an edge.

    Parameters
    ----------
    grey : numpy.ndarray
        uint8 (H, W).

    Returns
    -------
    numpy.ndarray
        uint8 (size, size).
    """
    height, width = grey.shape
    if height > size or width > size:
        grey = cv2.resize(grey, (min(width, size), min(height, size)), interpolation=cv2.INTER_AREA)
    if grey.shape != (size, size):
        grey = cv2.resize(grey, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(grey)


def read_square(data: bytes, size: int) -> np.ndarray:
    """Decode a photograph's bytes to grey and scale it: uint8 (size, size). Raises UnreadableImageError."""
    return resize_square(decode_grey(data), size)


def resize_photographs(
    source: Path, photographs: Sequence[Photograph], target: Path, params: ResizeParams
) -> list[ManifestRow]:
    """Write one grey PNG for each of the `photographs` below `source` to `target`, and the manifest; return its rows.

    `target` is replaced whole, or not at all if anything fails.

    Raises
    ------
    DataError
        If no photograph can be read, or (with ``on_error="fail"``) any cannot: all such are named.
    """
    class_names = {photograph.class_name for photograph in photographs}
    if MANIFEST_NAME in class_names:
        raise DataError(f"{shown(source)}: wanted another name for the class {MANIFEST_NAME}: the manifest has it")
    with new_folder(target) as folder:
        for name in class_names:
            (folder / name).mkdir()
        resize = partial(_resize_one, source=source, folder=folder, size=params.size)
        rows = list(map_threads(resize, photographs, progress="resize"))
        _check_problems(source, rows, params)
        write_manifest(folder, rows)
    return rows


def _resize_one(photograph: Photograph, source: Path, folder: Path, size: int) -> ManifestRow:
    data = b""
    grey = np.empty((0, 0), np.uint8)
    output = problem = ""
    try:
        data = (source / photograph.path).read_bytes()
        grey = decode_grey(data)
        output = f"{photograph.class_name}/{_output_name(photograph, data)}"
    except UnreadableImageError as error:
        problem = str(error)
    except OSError as error:
        problem = error.strerror or str(error)
    if output:
        _write_png(folder / output, resize_square(grey, size))
    return ManifestRow(
        path=photograph.path,
        class_name=photograph.class_name,
        sha256=hashlib.sha256(data).hexdigest() if data else "",
        size_bytes=len(data),
        height=grey.shape[0],
        width=grey.shape[1],
        output=output,
        problem=problem,
    )


def _output_name(photograph: Photograph, data: bytes) -> str:
    # The content's hash keeps two sources of one stem apart (a.jpg, a.png, sub/a.jpg); the stem is for people.
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", PurePosixPath(photograph.path).stem)[:60].lstrip(".-")
    return f"{stem}-{hashlib.sha256(data).hexdigest()[:16]}.png"


def _write_png(path: Path, image: np.ndarray) -> None:
    # Not cv2.imwrite: on a full disk it answers nothing.
    _, encoded = cv2.imencode(".png", image)
    path.write_bytes(encoded.tobytes())


def _check_problems(source: Path, rows: list[ManifestRow], params: ResizeParams) -> None:
    problems = [f"{shown(row.path)}: {row.problem}" for row in rows if row.problem]
    if not problems:
        return
    lost = sorted({row.class_name for row in rows} - {row.class_name for row in rows if not row.problem})
    if lost:
        # Also with `skip`: a class that silently disappears would make another problem of this one.
        head = f"{shown(source)}: no photograph can be read of {', '.join(map(shown, lost))}:"
        raise DataError("\n  ".join([head, *problems]))
    if params.on_error == "fail":
        head = f"{shown(source)}: {len(problems)} of {len(rows)} photographs cannot be read (resize.on_error: fail):"
        raise DataError("\n  ".join([head, *problems]))
