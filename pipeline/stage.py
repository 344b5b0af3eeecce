"""What every script in `src/` shares: paths from the command line in, one clear line and exit code 1 for a mistake.

A script's main function takes one `pathlib.Path` an argument, and documents them in its docstring, which is also what
``--help`` prints. A keyword-only argument becomes a switch: ``*, verify: bool`` is ``--verify``.
A script that imports slow packages imports this module first: Ctrl-C is one line from then on.
"""

import argparse
import inspect
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn

from filelock import FileLock, Timeout

from pipeline.errors import PipelineError
from pipeline.files import STATE_FOLDER

INTERRUPTED = "interrupted; nothing half-written is left behind"


def _interrupted_while_importing(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    print(f"error: {INTERRUPTED}", file=sys.stderr, flush=True)
    # Python itself would end the process by the signal, and not with 1.
    os._exit(1)


sys.excepthook = _interrupted_while_importing


def run(main: Callable[..., None]) -> NoReturn:
    """Call `main` with the paths and switches of the command line and exit: 0, or 1 with an ``error:`` line."""
    _forget_the_scripts_folder()
    parser = argparse.ArgumentParser(description=inspect.getdoc(main), formatter_class=argparse.RawTextHelpFormatter)
    for name, parameter in inspect.signature(main).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            parser.add_argument(f"--{name}", action="store_true")
        else:
            optional = parameter.default is not parameter.empty
            parser.add_argument(name, type=Path, nargs="?" if optional else None, default=None)
    arguments = vars(parser.parse_args())
    with errors_as_lines():
        main(**arguments)
    sys.exit(0)


@contextmanager
def errors_as_lines() -> Iterator[None]:
    """Turn what a person can put right into ``error:`` lines on stderr and exit code 1; let bugs through."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except PipelineError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'the system'}: {error.strerror or error}")
    except KeyboardInterrupt:
        _fail(INTERRUPTED)


@contextmanager
def only_one(stage: str, lock_file: Path | None = None) -> Iterator[None]:
    """Let one process at a time into the block; others wait, and say so.

    Parameters
    ----------
    lock_file : what they wait for, if not the stage in this folder

    DVC keeps two `dvc repro` apart. But where it was killed, the stage that it had started works on, and the next
    `dvc repro` starts another. The system releases the lock of a process that ends, however it ends.
    """
    path = lock_file or STATE_FOLDER / f"{stage}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logging.warning("%s: another %s is at work in this folder; waiting for it to end", stage, stage)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(1)


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    # `dvc queue kill`, a scheduler or a shutdown: clean up as for Ctrl-C.
    raise KeyboardInterrupt


def _forget_the_scripts_folder() -> None:
    # Python puts the script's folder first on the path. There `evaluate` would hide the package of that name, which
    # MLflow looks for, and `split` or `sample` any module of a dependency that is called so.
    folder = Path(sys.argv[0]).resolve().parent
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != folder]
