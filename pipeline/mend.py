"""Put right what a killed dvc leaves broken.

dvc writes three kinds of files in place, and a kill in these milliseconds cuts them short: `dvc.lock` (some 40 ms
after each stage), the `.dvc` file beside a data folder (1 ms), and its table of who is at work, `.dvc/tmp/rwlock`
(0.2 ms, but often). The next dvc stops at them or, worse, takes a cut `.dvc` file for one of nothing and no longer
keeps the data. All else that it writes is moved into place whole, or kept by SQLite.
"""

import fcntl
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import psutil
from dvc.exceptions import DvcException
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.utils.strictyaml import validate
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.errors import PipelineError
from pipeline.files import STATE_FOLDER, write_bytes
from pipeline.text import shown

LOCK = Path("dvc.lock")
TABLE = Path(".dvc/tmp/rwlock")
_GUARD = Path(".dvc/tmp/lock")
_ATTEMPTS = 6
_SECONDS_BETWEEN = 0.5


class _Worker(BaseModel):
    model_config = ConfigDict(strict=True)

    pid: int
    cmd: str


class _Table(BaseModel):
    """`.dvc/tmp/rwlock`: which process writes and which read a path."""

    model_config = ConfigDict(strict=True)

    write: dict[str, _Worker] = Field(default={})
    read: dict[str, list[_Worker]] = Field(default={})

    def pids(self) -> set[int]:
        return {worker.pid for worker in chain(self.write.values(), *self.read.values())}


def mend() -> list[str]:
    """Put right what is broken in the project in the current folder; return a line for each thing done.

    What is intact is not touched. What was broken is kept in `.weldproof/`.

    Raises
    ------
    PipelineError
        If something is broken and a dvc is at work here, or a `.dvc` file is lost that neither git nor the data gives.
    """
    for _ in range(_ATTEMPTS):
        if not _broken():
            return []
        with _alone() as alone:
            if alone:
                return [_mend(path) for path in _broken()]
        # It may have been caught while it wrote.
        time.sleep(_SECONDS_BETWEEN)
    broken = ", ".join(shown(path) for path in _broken())
    workers = ", ".join(map(str, _dvc_at_work())) or "unknown"
    raise PipelineError(f"{broken}: wanted no dvc at work in this folder, found one (process {workers}); let it end")


def _broken() -> list[Path]:
    return [path for path in (LOCK, TABLE, *_pointers()) if path.is_file() and not _is_intact(path, path.read_bytes())]


def _is_intact(path: Path, content: bytes) -> bool:
    if path == TABLE:
        return _is_table(content)
    if b"<<<<<<<" in content:
        # A merge to finish: no kill did that.
        return True
    return _is_lock(content) if path == LOCK else _is_pointer(path, content)


def _is_lock(content: bytes) -> bool:
    """Return whether dvc can read this, by its own schema; a whole stage that is missing only runs again."""
    try:
        validate(_yaml(content), COMPILED_LOCKFILE_SCHEMA)
    except (YAMLError, ValueError, DvcException):
        return False
    return True


def _is_pointer(path: Path, content: bytes) -> bool:
    """Return whether this tells dvc to keep what `path` is called after: `photos` for `photos.dvc`."""
    try:
        outs = _yaml(content)["outs"]
        return any(out["path"] == path.stem for out in outs)
    except (YAMLError, ValueError, TypeError, KeyError):
        return False


def _is_table(content: bytes) -> bool:
    """Return whether dvc can read this, and every process that it names is a dvc, or has ended.

    A number that another process has got since would have dvc wait for that.
    """
    try:
        pids = _Table.model_validate_json(content).pids()
    except ValidationError:
        return False
    return all(_is_dvc(pid) for pid in pids if psutil.pid_exists(pid))


def _yaml(content: bytes) -> Any:
    return YAML(typ="safe", pure=True).load(content.decode("utf-8"))


def _pointers() -> list[Path]:
    names = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.dvc") or b""
    return sorted({Path(name.decode("utf-8", "surrogateescape")) for name in names.split(b"\0") if name})


def _mend(path: Path) -> str:
    """Put one file right, and say how."""
    if path == TABLE:
        path.unlink()
        return f"{path}: named a process that is no dvc, or could not be read; removed"
    content, instead = _instead(path)
    # Not under its own name: dvc reads every *.dvc below the project.
    kept = STATE_FOLDER / f"{path.name}.broken"
    write_bytes(kept, path.read_bytes())
    if content is None:
        path.unlink()
    else:
        write_bytes(path, content)
    return f"{shown(path)}: was cut short; {instead} (what was left of it: {shown(kept)})"


def _instead(path: Path) -> tuple[bytes | None, str]:
    """Return what to put in the place of a cut dvc.lock or .dvc file (None: nothing), and what that is, in words."""
    committed = _git("show", f"HEAD:./{path.as_posix()}")
    if committed is not None and _is_intact(path, committed):
        return committed, "taken back as it was committed"
    if path == LOCK:
        return None, "none in git to take back, so it is removed, and dvc looks at every stage again"
    data = path.with_suffix("")
    if not data.exists():
        raise PipelineError(f"{shown(path)}: wanted its former state in git or {shown(data)} beside it, found neither")
    return f"outs:\n- path: {json.dumps(data.name)}\n  hash: md5\n".encode(), "made anew, for dvc to fill in"


def _git(*arguments: str) -> bytes | None:
    """Return what git answers, or None if it refuses or is not there."""
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None


@contextmanager
def _alone() -> Iterator[bool]:
    """Keep every dvc out of the folder for the block, and yield True; or False if one is at work.

    dvc holds an exclusive `flock` on this file (zc.lockfile) while it writes its own, and none while a stage runs.
    """
    _GUARD.parent.mkdir(parents=True, exist_ok=True)
    with _GUARD.open("a") as guard:
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield not _dvc_at_work()


def _dvc_at_work() -> list[int]:
    """Return the numbers of the processes that run dvc in this folder or below it."""
    here = Path.cwd()
    found = []
    for process in psutil.process_iter(["cwd"]):
        folder = process.info["cwd"]
        if folder and Path(folder).is_relative_to(here) and _is_dvc(process.pid):
            found.append(process.pid)
    return found


def _is_dvc(pid: int) -> bool:
    """Return whether a process runs dvc, by its command line; one that is hidden from this user may."""
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False
    return any(Path(word).name == "dvc" or word.endswith("dvc/__main__.py") for word in words)
