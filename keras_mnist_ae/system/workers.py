"""Tasks over local processes: a process that dies loses nothing but the task it had, which is done
again, and none outlives its parent.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from ..errors import KaeError
from . import signals
from .progress import Advance

DEATHS = 3  # in a row without a finished task
WAIT = 0.2  # seconds between looks at how far the tasks are

Count = Callable[[int], None]
"""Told by a task how far it is."""

_counts: Any = None  # in a worker: the progress of each task


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def each(
    function: Callable[[Any, Count], Any],
    tasks: Iterable[int],
    argument: Callable[[int], Any],
    done: Callable[[int, Any], None],
    workers: int,
    advance: Advance,
) -> None:
    """Call `function` for every task in spawned processes, at most as many at a time as `workers`.

    Args:
        function: takes the argument of a task and what it tells its progress; like these and its
            result it can be pickled.
        tasks: numbers from 0.
        argument: what the function gets, made when a process is free.
        done: is told each task and its result.
        advance: is told the progress.

    Raises:
        KaeError: Processes die again and again. What a task raises, is raised.
    """
    left = deque(tasks)
    counts = multiprocessing.get_context("spawn").RawArray("q", max(left, default=0) + 1)
    told = deaths = 0
    while left:
        before = set(multiprocessing.active_children())
        pool = ProcessPoolExecutor(
            min(workers, len(left)),
            multiprocessing.get_context("spawn"),
            _begin,
            (counts,),
        )
        running: dict[Future[Any], int] = {}
        try:
            while left or running:
                while left and len(running) < workers:
                    task = left[0]
                    running[pool.submit(_call, function, argument(task), task)] = task
                    left.popleft()
                finished, _ = wait(running, WAIT, FIRST_COMPLETED)
                signals.check()
                for future in finished:
                    result = future.result()
                    done(running.pop(future), result)
                    deaths = 0
                now = sum(counts)
                advance(max(now - told, 0))
                told = max(now, told)
        except BrokenProcessPool as error:
            deaths += 1
            if deaths == DEATHS:
                raise KaeError(
                    "worker processes are killed again and again, perhaps for lack of memory.\n"
                    "Use fewer: --workers 1. What is finished is kept."
                ) from error
            left = deque(sorted({*running.values(), *left}))
        finally:
            _end(pool, set(multiprocessing.active_children()) - before)


def _end(pool: ProcessPoolExecutor, children: set[Any]) -> None:
    pool.shutdown(wait=False, cancel_futures=True)
    for child in children:
        child.terminate()
    for child in children:
        child.join()


def _begin(counts: Any) -> None:
    """A worker: it leaves signals from the terminal to its parent, and ends with it."""
    global _counts
    _counts = counts
    for number in signals.SIGNALS:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _call(function: Callable[[Any, Count], Any], argument: Any, task: int) -> Any:
    def count(done: int) -> None:
        _counts[task] = done

    return function(argument, count)
