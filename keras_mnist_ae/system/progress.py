"""Progress of long work: the work says how far it is, its caller decides what to show."""

import multiprocessing
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from . import processes, signals

Advance = Callable[[int], object]
"""Called with the number of images, seeds, ... that were finished since the last call."""


class Progress(Protocol):
    """Announces a phase, and gives within its context what counts the finished parts."""

    def __call__(self, label: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Args:
        label: what is done, such as "evaluating".
        total: how many parts there are; None where nothing can be counted.
        """


REDRAWN = 0.1  # seconds between counts of a bar

_shown: Progress | None = None
_busy = False  # a phase within another is not shown


@contextmanager
def shown_by(progress: Progress) -> Iterator[None]:
    """A context in which `phase` shows work in another way than by a bar."""
    global _shown
    before, _shown = _shown, progress
    try:
        yield
    finally:
        _shown = before


@contextmanager
def phase(label: str, total: int | None = None) -> Iterator[Advance]:
    """A phase that a signal ends, shown by a bar where somebody looks on: see `Progress`."""
    with shown(label, total) as advance:

        def count(parts: int) -> None:
            signals.check()  # foreign code may have swallowed the exception
            advance(parts)

        signals.check()
        yield count


@contextmanager
def shown(label: str, total: int | None = None) -> Iterator[Advance]:
    """A phase that signals leave alone. Of several processes of one job the first shows it, and of
    a process and its workers the former.
    """
    global _busy
    outer, _busy = _busy, True
    hidden = outer or not processes.is_first() or multiprocessing.parent_process()
    try:
        with (silent if hidden else _shown or bar())(label, total) as advance:
            yield advance
    finally:
        _busy = outer


@contextmanager
def silent(label: str, total: int | None = None) -> Iterator[Advance]:
    """Shows nothing."""
    yield lambda count: None


def bar() -> Progress:
    """A bar that goes away at the end, on a terminal or in a notebook; elsewhere `silent`."""
    if "ipykernel" in sys.modules:
        return _in_notebook
    return on_terminal if terminal() else silent


def terminal() -> bool:
    """Whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


@contextmanager
def on_terminal(label: str, total: int | None = None) -> Iterator[Advance]:
    """A bar with the time left, or with the time spent where nothing can be counted."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f} %" if total else ""),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True) if total else TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=False) as bars:
        task = bars.add_task(label, total=total, rate="")

        waiting, told = 0, time.monotonic()

        def advance(parts: int) -> None:
            nonlocal waiting, told
            waiting += parts
            if (now := time.monotonic()) - told < REDRAWN:
                return
            bars.advance(task, waiting)
            waiting, told = 0, now
            speed = bars.tasks[0].speed
            bars.update(task, rate=f"{speed:,.0f}/s" if speed and speed >= 1 else "")

        yield advance


@contextmanager
def _in_notebook(label: str, total: int | None = None) -> Iterator[Advance]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that ipywidgets is not installed: it is a line of text then
        from tqdm.autonotebook import tqdm
    with tqdm(desc=label, total=total, leave=False) as shown:
        yield shown.update
