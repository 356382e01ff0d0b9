"""The same work on many pieces, in order, in as many processes as it is worth."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from lcd_plugin.errors import DataError

T = TypeVar("T")

# Seconds of work ahead that are worth workers: forked ones are there at once, others import first.
WORTH_FORKING, WORTH_STARTING = 0.5, 5.0


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_order(
    function: Callable[..., T],
    pieces: Iterable[tuple[Any, ...]],
    total: int,
    jobs: int | None = None,
) -> Iterator[T]:
    """Results of `function(*piece)` one after another.

    Workers start where the first piece shows that they are worth it, so small work has no
    start-up; at most two pieces a worker are under way, so memory does not grow.

    Args:
        function: a function of a module.
        pieces: its arguments; taken as they are needed.
        total: how many pieces there are.
        jobs: processes at most; None is one for each core.

    Raises:
        DataError: a process was killed.
    """
    waiting = iter(pieces)
    began = time.perf_counter()
    for piece in islice(waiting, 1):
        yield function(*piece)
    ahead = (time.perf_counter() - began) * (total - 1)
    jobs = min(jobs or cores(), total - 1)
    fork = can_fork()
    if jobs < 2 or ahead < (WORTH_FORKING if fork else WORTH_STARTING):
        for piece in waiting:
            yield function(*piece)
        return
    with _pool(jobs, fork) as pool:
        under_way: deque[Future[T]] = deque()
        for piece in waiting:
            under_way.append(pool.submit(function, *piece))
            if len(under_way) > 2 * jobs:
                yield _result(under_way.popleft())
        while under_way:
            yield _result(under_way.popleft())


def _result(future: Future[T]) -> T:
    try:
        return future.result()
    except BrokenExecutor as error:
        raise DataError(
            "A worker process was killed, most likely for its memory. Results on disk and records "
            "that are prepared are kept: free some memory and run the same command again; "
            "`lcd-bench data prepare NAME --jobs 1` prepares a dataset in one process."
        ) from error


def can_fork() -> bool:
    """Whether this process has one thread, and no library that has more and minds."""
    alone = threading.active_count() == 1 and "torch" not in sys.modules
    return sys.platform == "linux" and alone


def _pool(jobs: int, fork: bool) -> Executor:
    if fork:
        context = multiprocessing.get_context("fork")
        return ProcessPoolExecutor(jobs, context, _serve, (os.getpid(),))
    # Unlike the standard library's, its workers do not run the main script again.
    import loky

    pool: Executor = loky.ProcessPoolExecutor(jobs, initializer=_serve, initargs=(os.getpid(),))
    return pool


def _serve(parent: int) -> None:
    """In a worker: Ctrl-C is the parent's to handle, and without a parent there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
