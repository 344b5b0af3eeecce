"""Whether photographs are still what the stages took them for.

DVC hashes the photographs after `resize` has ended, and takes what it finds for what `resize` saw. So `pack_npy`, which
starts after that, looks once more. What it finds changed it notes beside the sheets; to DVC they are changed by that,
and it runs `resize` again.
"""

from collections.abc import Sequence
from pathlib import Path

from pipeline.data.find import find_photographs
from pipeline.data.fingerprints import Fingerprints
from pipeline.data.manifest import ManifestRow
from pipeline.errors import DataError
from pipeline.files import write_text
from pipeline.text import shown

NOTE_NAME = "changed-since.txt"


def changed(source: Path, paths: Sequence[str]) -> DataError:
    """Return the error for photographs, by their paths below `source`, that came, went or changed meanwhile."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return DataError(
        f"{shown(source)}: wanted photographs at rest, found {shown(paths[0])}{more} changed meanwhile; "
        "run again when nothing writes there any more"
    )


def check_at_rest(source: Path, resized: Path, rows: Sequence[ManifestRow]) -> None:
    """Refuse photographs other than those that `rows`, the manifest in `resized`, tell of.

    A file whose size, times and inode are what `resize` noted is not read again. Where there is no folder `source`, as
    in a checkout that has only what `resize` made of it, nothing is checked.

    Raises
    ------
    DataError
        If a photograph came, went or changed. Its path then stands in `NOTE_NAME` in `resized`.
    """
    if not source.is_dir():
        return
    fingerprints = Fingerprints("resize")
    paths = {row.path for row in rows} ^ {photograph.path for photograph in find_photographs(source).photographs}
    paths |= {row.path for row in rows if row.sha256 and _differs(source, row, fingerprints)}
    if paths:
        write_text(resized / NOTE_NAME, "".join(f"{shown(path)}\n" for path in sorted(paths)))
        raise changed(source, sorted(paths))


def _differs(source: Path, row: ManifestRow, fingerprints: Fingerprints) -> bool:
    try:
        return fingerprints.sha256(f"{source}/{row.path}") != row.sha256
    except (OSError, DataError):
        # Gone, or changing at this moment.
        return True
