r"""What the tracker's store has still to be told, on disk, so that no failure of the store is in anyone's way.

====================================  ==============================================================================
``.weldproof/tracking/``              of the main checkout
``<time>-<run>.jsonl``                a journal: one JSON object a line, in order. The first says what run it is of
``<time>-<run>.sent``                 how many of its bytes the store has acknowledged
``<time>-<run>.files/``               files that go to the store
``<0 to f>.lock``                     held by who sends journals of runs whose id begins so
====================================  ==============================================================================

A journal has one writer, which holds the system's lock on it for as long as it lives: what is not locked is complete,
however its writer ended. A run that goes on, or that is evaluated, gets another journal. A line that a kill or a full
disk cut short costs itself alone, because every record begins a line of its own. A journal that is sent is removed.
"""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.files import write_text

Record = dict[str, Any]

PARCEL = 200
"""Records of metrics that are sent together at the most."""


class Journal:
    """A new journal, open for writing. Raises OSError where the disk refuses.

    Parameters
    ----------
    folder : where journals wait
    head : the first record, with the run's ``id``
    """

    def __init__(self, folder: Path, head: Mapping[str, object]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"{_next_time(folder):020d}-{head['id']}.jsonl"
        hidden = self.path.with_name(f".{self.path.name}.partial")
        self._file = os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        try:
            # Named when it is locked and has its head: who finds it can rely on both.
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self.append(head)
            hidden.rename(self.path)
        except BaseException:
            os.close(self._file)
            hidden.unlink(missing_ok=True)
            raise

    def append(self, record: Mapping[str, object]) -> None:
        """Add a record. Raises OSError where the disk refuses; what was cut off then does no harm."""
        line = b"\n" + json.dumps(record).encode() + b"\n"
        if os.write(self._file, line) < len(line):
            raise OSError(f"{self.path}: cut short")

    def keep(self, name: str, sources: Mapping[str, Path]) -> None:
        """Keep copies of files or folders below `name` for a record that tells of them.

        What stands below ``models`` is linked where the disk can: it may be large, and is replaced, never written to.
        """
        for place, source in sources.items():
            target = _files_of(self.path) / name / place
            target.parent.mkdir(parents=True, exist_ok=True)
            copy: Callable[..., object] = _link if place == "models" else shutil.copy2
            if source.is_dir():
                shutil.copytree(source, target, copy_function=copy, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                copy(source, target)

    def close(self) -> None:
        """End the journal: no record follows."""
        # Said aloud, because a forked process that holds the file too would hold the lock as well.
        fcntl.flock(self._file, fcntl.LOCK_UN)
        os.close(self._file)


def _next_time(folder: Path) -> int:
    """Return nanoseconds, later than those of all journals: a clock that was set back must not change their order."""
    return max([time.time_ns(), *(int(path.name.split("-")[0]) + 1 for path in _journals(folder))])


def _journals(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*-*.jsonl"))


def _files_of(journal: Path) -> Path:
    return journal.with_suffix(".files")


def _link(source: str | Path, target: str | Path) -> None:
    try:
        # Of a symbolic link (DVC's cache can be linked so), the file that it points to.
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copy2(source, target)


class Waiting:
    """A journal as its sender sees it. It may vanish at any time while its run is not locked by `sending`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_suffix(".sent")

    @property
    def run_id(self) -> str:
        """The run that it is of."""
        return self.path.stem.split("-")[1]

    @property
    def files(self) -> Path:
        """The folder of the files that it tells of."""
        return _files_of(self.path)

    def head(self) -> Record:
        """Return the record that says what run it is of."""
        return next(record for record, _ in self._read(0, whole=False))

    def address(self) -> str | None:
        """Return the store that it is for, as configured, or None where it or its head went by a loss of power."""
        try:
            return str(self.head()["address"])
        except (OSError, StopIteration, KeyError):
            return None

    def unsent(self, whole: bool) -> Iterator[tuple[Record, int]]:
        """Yield the records after the note, each with the note that says it is sent.

        Parameters
        ----------
        whole : whether the journal is complete, so that a last line without its end is a line
        """
        yield from self._read(self.position()[1], whole)

    def position(self) -> tuple[str, int]:
        """Return up to where it is sent: the journal's name, and the note."""
        try:
            return self.path.name, int(self._note.read_text())
        except (OSError, ValueError):
            return self.path.name, 0

    def _read(self, start: int, whole: bool) -> Iterator[tuple[Record, int]]:
        with self.path.open("rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n") and not whole:
                    return
                start += len(line)
                # What was cut short is no JSON: an object ends with its last brace.
                with suppress(ValueError):
                    yield json.loads(line), start

    def parcels(self, whole: bool) -> Iterator[tuple[list[Record], int]]:
        """Yield what is unsent, in order, as what can be sent at once: metrics together, all else one by one."""
        for _, group in groupby(enumerate(self.unsent(whole)), _parcel):
            records = [record for _, record in group]
            yield [record for record, _ in records], records[-1][1]

    def note(self, end: int) -> None:
        """Note that the store has what stands before `end`. Where the disk refuses, the store is asked again."""
        with suppress(OSError):
            write_text(self._note, str(end))

    def is_over(self) -> bool:
        """Return whether its writer is gone. What is read after that is all there will be."""
        with self.path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True

    def remove(self) -> None:
        """Forget it: the store has all."""
        # The note last: where a kill comes between, there is nothing to send again, and no large file is left.
        shutil.rmtree(self.files, ignore_errors=True)
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def _parcel(numbered: tuple[int, tuple[Record, int]]) -> tuple[str, int]:
    number, (record, _) = numbered
    return record["kind"], number // PARCEL if record["kind"] == "metrics" else number


def waiting(folder: Path, address: str | None = None) -> list[Waiting]:
    """Return the journals, oldest first; with an `address`, those of that store."""
    found = [Waiting(path) for path in _journals(folder)]
    return [each for each in found if address is None or each.address() == address]


@contextmanager
def sending(folder: Path, run_id: str) -> Iterator[bool]:
    """Lock a run's journals for sending; yield False where another process sends them."""
    # Sixteen locks for all runs, not one a run, because the file of a lock can never be removed safely.
    lock = FileLock(folder / f"{run_id[0]}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
