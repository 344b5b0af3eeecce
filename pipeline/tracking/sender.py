"""The process beside a stage that sends what waits, and `python -m pipeline sync`, which does so by hand.

A process and not a thread: MLflow takes its time and its memory there, whatever blocks in it can be ended, and a
signal for the training does not reach it. It ends by itself when the stage does, however the stage ends.
"""

import logging
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread, Timer
from typing import TYPE_CHECKING

from tqdm import tqdm

from pipeline.errors import TrackingError
from pipeline.tracking.journal import Waiting, waiting
from pipeline.tracking.places import configured_address, shown_address, tracking_folder, tracking_uri

if TYPE_CHECKING:
    from pipeline.tracking.outbox import Outbox
    from pipeline.tracking.store import Judge, Store

PROGRAM = "pipeline.beside"
"""The module that is the process: it calls `follow`, with what is not known here, the rule of promotion."""

PATIENCE = 5.0
"""Seconds at the most that a stage waits for a store that does not answer."""
_PULSE = "."
_AGAIN = "again"
_STARTS = 60.0
"""Seconds at the most that a stage waits for MLflow to be loaded, and for the tables of a new database file."""
_LOOK = 1.0
"""Seconds between two looks at the journals."""
_LONGEST_PAUSE = 30.0
"""Seconds at the most between two tries of a store that fails."""
_ORPHANS_TIME = 30.0
"""Seconds that are left to a sender whose stage was killed."""

logger = logging.getLogger(__name__)


@contextmanager
def beside(patient: bool = False) -> Iterator[None]:
    """Have a process send what waits for the configured store, during the block and `PATIENCE` seconds after it.

    Parameters
    ----------
    patient : wait longer for a store that works and is not done
    """
    process = _Beside(patient)
    try:
        yield
    finally:
        process.end()


class _Beside:
    """The process as its stage sees it."""

    def __init__(self, patient: bool) -> None:
        self._patient, self._heard = patient, 0.0
        self._trouble = self._no_trouble = f"MLflow at {shown_address(tracking_uri())}: not done in time"
        self._process: subprocess.Popen[str] | None = None
        # The code of this process, whatever the current folder is.
        path = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", PROGRAM, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
                env=os.environ | {"PYTHONPATH": path},
            )
        except OSError as error:
            self._trouble = f"wanted a process that sends, found {error}"
            return
        self._listener = Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in map(str.strip, lines):
                self._hear(line)

    def _hear(self, line: str) -> None:
        self._heard = time.monotonic()
        if line == _AGAIN:
            self._trouble = self._no_trouble
            logger.info("tracker: MLflow takes what is recorded again")
        elif line != _PULSE:
            self._trouble = line
            logger.warning("tracker: %s; the work goes on, what it records waits on disk", line)

    def end(self) -> None:
        """Let it send what is left, within limits, and say what waits after that."""
        if self._process is not None:
            try:
                self._wait(self._process)
            finally:
                self._process.kill()
                self._process.wait()
                self._listener.join()
        self._say_what_waits()

    def _wait(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        with suppress(OSError):
            # Not the end of the file alone: a forked process can hold the other end open.
            process.stdin.write("\n")
            process.stdin.close()
        end = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
            if self._patient:
                end = max(end, self._heard + PATIENCE)

    def _say_what_waits(self) -> None:
        with suppress(OSError):
            if left := [each for each in waiting(tracking_folder(), configured_address()) if each.is_over()]:
                logger.warning("tracker: %s; %s", self._trouble, what_waits(left))


def what_waits(journals: list[Waiting]) -> str:
    """Return a clause that says how much waits where, and how it is sent."""
    runs = len({journal.run_id for journal in journals})
    return (
        f"{_records(journals)} records of {runs} {'run' if runs == 1 else 'runs'} wait in {tracking_folder()}; "
        "they go with the next training or evaluation, or now with: python -m pipeline sync"
    )


def _records(journals: list[Waiting]) -> int:
    return sum(1 for journal in journals for _ in journal.unsent(whole=True))


def follow(stage: int, judge: "Judge") -> None:
    """Send what waits, as long as the stage (the number of its process) lives: the process beside it.

    It says on stdout, a line each, what is wrong with the store, and, when the stage waits, that work goes on.
    """
    say = _own_output()
    ending, at_work = Event(), _AtWork(say, judge)
    Thread(target=_wait_for_the_end, args=(stage, ending, at_work), daemon=True).start()
    outbox: Outbox | None = None
    pause, told, ends = _LOOK, "", math.inf
    while True:
        last = ending.is_set()
        try:
            outbox = outbox or at_work.connect()
            free, trouble = outbox.send(at_once=last), str(outbox.refusal or "")
            pause = _LOOK if free else 0.1
        except Exception as error:
            free, trouble = True, str(error) if isinstance(error, TrackingError) else repr(error)
            pause = min(2 * pause, _LONGEST_PAUSE)
        if bool(trouble) != bool(told):
            say(" ".join(trouble.split()) or _AGAIN)
        told = trouble
        if last:
            ends = min(ends, time.monotonic() + PATIENCE)
            if free or time.monotonic() > ends:
                # MLflow's threads may hang in what failed; Python would wait for them.
                os._exit(0)
            time.sleep(pause)
        ending.wait(pause)


class _AtWork:
    """Whether there is a reason to wait: the store answers, or what is done does not depend on its answer."""

    def __init__(self, say: Callable[[str], None], judge: "Judge") -> None:
        self._say, self._judge = say, judge
        self._store: Store | None = None
        # To make the tables of a database file is work of this machine, not an answer that is waited for.
        self._starting = tracking_uri().startswith("sqlite:")
        self._starts_end = time.monotonic() + _STARTS

    def connect(self) -> "Outbox":
        """Return what waits for the configured store, once that is reached."""
        # Loads MLflow.
        from pipeline.tracking.outbox import Outbox
        from pipeline.tracking.store import Store, database_of

        file = database_of(tracking_uri())
        self._starting = self._starting and file is not None and not file.exists()
        try:
            self._store = Store(tracking_uri(), self._judge)
        finally:
            self._starting = False
        return Outbox(self._store, configured_address())

    def pulse(self) -> None:
        """Say once a second that it goes on, while it does."""
        while True:
            with suppress(TrackingError):
                if self._store:
                    self._store.ping()
                if self._store or (self._starting and time.monotonic() < self._starts_end):
                    self._say(_PULSE)
            time.sleep(1.0)


def _own_output() -> Callable[[str], None]:
    """Return what tells the stage a line, and keep all else, such as what MLflow prints, from it."""
    channel = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(line: str) -> None:
        # Where the stage was killed, nobody listens.
        with suppress(OSError):
            os.write(channel, f"{line}\n".encode())

    return say


def _wait_for_the_end(stage: int, ending: Event, at_work: _AtWork) -> None:
    sys.stdin.read(1)
    ending.set()
    if os.getppid() != stage:
        Timer(_ORPHANS_TIME, os._exit, (1,)).start()
    at_work.pulse()


def sync(to: str | None, say: Callable[[str], None], judge: "Judge | None" = None) -> None:
    """Send all that waits, a line for each run, to the stores that it was made for.

    Parameters
    ----------
    to : the address of the store that takes all of it instead
    say : called with each line
    judge : decides about versions that are registered

    Raises
    ------
    TrackingError
        If a store fails or refuses a run; the others are sent.
    """
    from pipeline.tracking.outbox import Outbox
    from pipeline.tracking.store import Store

    folder = tracking_folder()
    failures: list[TrackingError] = []
    with tqdm(total=_records(waiting(folder)), unit=" records", disable=None, leave=False) as bar:
        addresses = {each.address() for each in waiting(folder)} - {None}
        for address in sorted(map(str, addresses)):
            target = to or tracking_uri(address)
            done = f"records sent to {shown_address(target)}"
            try:
                outbox = Outbox(Store(target, judge), address, partial(_say_sent, say, done), bar.update)
                outbox.send()
                failures += [outbox.refusal] if outbox.refusal else []
            except TrackingError as error:
                failures.append(error)
    for lost in (each.path for each in waiting(folder) if each.path.exists() and each.address() is None):
        say(f"{lost}: a loss of power took what run this is of; it cannot be sent, and may be removed")
    left = [each for each in waiting(folder) if each.address() is not None and _records([each])]
    if failures:
        raise TrackingError(f"{failures[0]}; {what_waits(left)}")
    say(what_waits(left) if left else "nothing waits")


def _say_sent(say: Callable[[str], None], done: str, name: str, records: int) -> None:
    say(f"{name}: {records} {done}")
