"""Processes that work side by side, each on one job at a time, and that outlive nobody.

Processes, not threads: each has PyTorch's random state, its threads and its memory to itself. They are started anew
(not forked, which CUDA and threads do not survive), once for all jobs.
"""

import io
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, suppress
from enum import Enum, auto
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Self

from tqdm import tqdm

from pipeline.errors import PipelineError

Shown = Callable[[int], None]
"""Told how much more of a job is done."""

Job = Callable[[Shown], Any]
"""What a worker does; it and its answer are pickled."""


class _Said(Enum):
    SHOWN = auto()
    DONE = auto()
    FAILED = auto()
    BROKEN = auto()


class Workers:
    """`count` processes, which start with the first job and end with the block."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._processes: dict[Connection, BaseProcess] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        for process in self._processes.values():
            process.terminate()
        for connection, process in self._processes.items():
            process.join()
            connection.close()
        self._processes = {}

    def run(
        self, jobs: Sequence[Job], shown: Shown, begins: Callable[[int], bool] = lambda _: True
    ) -> Iterator[tuple[int, Any]]:
        """Yield the number and the answer of each job, as they come; jobs begin in their order.

        Parameters
        ----------
        begins : told the number of the job whose turn it is; where it says no, neither that one nor another begins any
            more, and those that have begun end

        Raises
        ------
        PipelineError
            That of a job, or if the system ends a worker. All other jobs end with it.
        """
        try:
            yield from self._run(jobs, shown, begins)
        except Exception:
            self._stop()  # else what others still answer would be taken for answers to the next jobs
            raise

    def _run(self, jobs: Sequence[Job], shown: Shown, begins: Callable[[int], bool]) -> Iterator[tuple[int, Any]]:
        waiting, at_work = deque(enumerate(jobs)), dict[Connection, int]()
        idle = list[Connection]()
        while True:
            while waiting and (idle or not at_work):
                number, job = waiting.popleft()
                if not begins(number):
                    waiting.clear()
                    break
                idle = idle or self._started()
                connection = idle.pop()
                connection.send(job)
                at_work[connection] = number
            if not at_work:
                return
            for ready in wait(list(at_work)):
                assert isinstance(ready, Connection)
                said, content = self._heard(ready)
                if said is _Said.SHOWN:
                    shown(content)
                else:
                    idle.append(ready)
                    yield at_work.pop(ready), content

    def _heard(self, connection: Connection) -> tuple[_Said, Any]:
        try:
            said, content = connection.recv()
        except (EOFError, ConnectionResetError):
            raise self._ended(self._processes[connection]) from None
        if said is _Said.FAILED:
            raise content
        if said is _Said.BROKEN:
            raise RuntimeError(content)
        return said, content

    def _ended(self, process: BaseProcess) -> PipelineError:
        process.join()
        how = -(process.exitcode or 0)
        return PipelineError(
            "feasibility: a training was ended by the system"
            + (f" ({signal.Signals(how).name})" if how > 0 else "")
            + ", most likely for want of memory; what is done is kept, and the same command goes on with it; "
            "a smaller train.batch_size or train.resolution needs less"
        )

    def _started(self) -> list[Connection]:
        if not self._processes:
            _lock_bars_alone()
            resource_tracker.ensure_running()  # else it is started with the first of them, and unblocks Ctrl-C
            # Started with Ctrl-C blocked, which then stays so: it is this process that ends them, with one line.
            blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                for _ in range(self.count):
                    self._start_one()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        return list(self._processes)

    def _start_one(self) -> None:
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_work, args=(theirs,), daemon=True)
        process.start()
        theirs.close()
        self._processes[ours] = process


def _work(connection: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _lock_bars_alone()
    with suppress(EOFError, BrokenPipeError):
        while True:
            job = connection.recv()
            connection.send(_answer(job, lambda amount: connection.send((_Said.SHOWN, amount))))


def _answer(job: Job, shown: Shown) -> tuple[_Said, Any]:
    try:
        with redirect_stderr(io.StringIO()):  # the bar of each epoch
            return _Said.DONE, job(shown)
    except PipelineError as error:
        return _Said.FAILED, error
    except Exception:
        return _Said.BROKEN, traceback.format_exc()


def _lock_bars_alone() -> None:
    # The lock that tqdm makes by itself holds for all processes; one that is killed leaves it behind, and Python warns.
    tqdm.set_lock(threading.RLock())


def _end_with_parent() -> None:
    """End when the process that started this one is gone, however it went."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
