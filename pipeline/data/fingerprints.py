"""Know a file's content without reading it again, as long as nothing can have changed it.

A file is taken for what it was while its size, its times of modification and of change, and its place on the disk
(inode) are what they were when it was read. Git and DVC do the same, but for the time of change, which no copy and no
`touch` can set back. A file that was touched less than `SETTLED` before it was read might be written again within the
same tick of the clock, and is read again next time (what Git calls racy: its Documentation/technical/racy-git.txt).

The table of what is known is local to a checkout, is no output, and may be deleted at any time.
"""

import csv
import hashlib
import logging
import os
import time
from collections.abc import Iterable
from io import BytesIO, TextIOWrapper
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from pipeline.errors import DataError
from pipeline.files import STATE_FOLDER, write_bytes
from pipeline.text import shown

SETTLED = 2_000_000_000
"""Nanoseconds: twice the coarsest tick of a file system's clock in use (FAT, some network disks)."""


class Signature(NamedTuple):
    """What tells that a file is untouched: its size in bytes, two times in nanoseconds, and its inode."""

    size: int
    modified: int
    changed: int
    inode: int


class Known(NamedTuple):
    """A file as it was when it was read, and when that was, in nanoseconds."""

    signature: Signature
    seen: int
    sha256: str

    @property
    def settled(self) -> bool:
        """Whether the file had been left alone for long enough before."""
        return max(self.signature.modified, self.signature.changed) + SETTLED < self.seen


def signature_of(path: str | Path) -> Signature:
    """Return the signature of a file now; links are followed."""
    return _signature(os.stat(path))  # noqa: PTH116 - a Path a file costs more than the call


def _signature(status: os.stat_result) -> Signature:
    return Signature(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


class Fingerprints:
    """The SHA-256 of files, read again only where they may have changed.

    Parameters
    ----------
    name : of the table in which the knowledge is kept. One that is missing, damaged or of another format knows nothing.
    verify : trust nothing that is known, read every file.

    Threads may share one.
    """

    def __init__(self, name: str, verify: bool = False) -> None:
        self._table = STATE_FOLDER / f"{name}.csv"
        self._former: dict[str, Known] = {} if verify else _read(self._table)
        self._now: dict[str, Known] = {}
        self._lock = Lock()

    def known(self, path: str) -> str | None:
        """Return the SHA-256 of a file if that is known without reading it, else None.

        Raises
        ------
        OSError
            If there is no such file.
        """
        former = self._now.get(path) or self._former.get(path)
        if former is None or not former.settled or former.signature != signature_of(path):
            return None
        self._note(path, former)
        return former.sha256

    def read(self, path: str) -> tuple[bytes, str]:
        """Read a file whole and return its bytes and their SHA-256, which is known from then on.

        Raises
        ------
        DataError
            If the file changes while it is read.
        OSError
            If it cannot be read.
        """
        seen = time.time_ns()
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            before = _signature(os.fstat(file.fileno()))
            data = file.read()
            after = _signature(os.fstat(file.fileno()))
        if before != after or len(data) != before.size:
            raise DataError(f"{shown(path)}: wanted a file at rest, found it changing while it was read; run again")
        digest = hashlib.sha256(data).hexdigest()
        self._note(path, Known(before, seen, digest))
        return data, digest

    def sha256(self, path: str) -> str:
        """Return the SHA-256 of a file, read or known. Raises as `read` does."""
        return self.known(path) or self.read(path)[1]

    def note_written(self, path: str, digest: str) -> None:
        """Note a file that this process has just written; it counts as settled, since nobody else writes there."""
        signature = signature_of(path)
        self._note(path, Known(signature, max(signature.modified, signature.changed) + SETTLED + 1, digest))

    def changed(self, paths: Iterable[str]) -> list[str]:
        """Return those of `paths` that are not, now, as they were when this object learnt or confirmed them."""
        return [path for path in paths if not self._unchanged(path)]

    def save(self) -> None:
        """Keep what was learnt or confirmed by this object, and nothing else.

        A table that cannot be kept is worth a warning: the outputs are good without it.
        """
        body = BytesIO()
        text = TextIOWrapper(body, encoding="utf-8", newline="")
        rows = ((path, *known.signature, known.seen, known.sha256) for path, known in sorted(self._now.items()))
        csv.writer(text, lineterminator="\n").writerows(rows)
        text.flush()
        try:
            write_bytes(self._table, _checksum(body.getbuffer()) + b"\n" + body.getbuffer())
        except OSError as error:
            logging.warning("%s: %s; the next run reads everything again", self._table, error.strerror)

    def _note(self, path: str, known: Known) -> None:
        with self._lock:
            self._now[path] = known

    def _unchanged(self, path: str) -> bool:
        try:
            return path in self._now and self._now[path].signature == signature_of(path)
        except OSError:
            return False


def _checksum(body: bytes | memoryview) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()


def _read(table: Path) -> dict[str, Known]:
    try:
        checksum, _, body = table.read_bytes().partition(b"\n")
        if checksum != _checksum(body):
            return {}
        # Not StringIO, which takes four bytes a letter.
        lines = TextIOWrapper(BytesIO(body), encoding="utf-8", newline="")
        return {
            path: Known(Signature(*map(int, numbers)), int(seen), digest)
            for path, *numbers, seen, digest in csv.reader(lines)
        }
    except (OSError, ValueError, TypeError):
        return {}
