"""Do the same to many files on all cores."""

import os
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import cv2
from tqdm import tqdm

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    progress: str | None,
    images: Callable[[Item], int] = lambda _: 1,
) -> Generator[Result, None, None]:
    """Yield `function` of each item, in order, computed on as many threads as there are cores to use.

    Threads, not processes: OpenCV leaves the interpreter's lock while it decodes, scales and encodes. They run only a
    few items ahead of the caller, so that memory stays flat. The first exception ends it all: what has not begun is not
    done. A bar labelled `progress`, if any, is drawn on a terminal; it counts the `images` of each item.
    """
    # Two layers of threads would fight for the same cores.
    cv2.setNumThreads(1)
    threads = available_cores()
    executor = ThreadPoolExecutor(max_workers=threads)
    pending: deque[tuple[Item, Future[Result]]] = deque()
    bar = tqdm(total=sum(map(images, items)), desc=progress, unit="image", disable=progress is None or None)

    def first() -> Result:
        item, future = pending.popleft()
        result = future.result()
        bar.update(images(item))
        return result

    try:
        for item in items:
            pending.append((item, executor.submit(function, item)))
            if len(pending) > 8 * threads:
                yield first()
        while pending:
            yield first()
    finally:
        bar.close()
        executor.shutdown(wait=True, cancel_futures=True)


def available_cores() -> int:
    """Return the number of cores that this process may use; a container may allow fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
