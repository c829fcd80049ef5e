"""Progress of long work: the work says how far it is, its caller decides what to show."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], object]
"""Called with the number of images, seeds, ... that were finished since the last call."""


class Progress(Protocol):
    """Announces a phase, and gives within its context what counts the finished parts."""

    def __call__(self, label: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Args:
        label: what is done, such as "evaluating".
        total: how many parts there are; None where nothing can be counted.
        """


_shown: Progress | None = None


@contextmanager
def shown_by(progress: Progress) -> Iterator[None]:
    """A context in which `phase` shows work where no caller was asked how."""
    global _shown
    before, _shown = _shown, progress
    try:
        yield
    finally:
        _shown = before


def phase(label: str, total: int | None = None) -> AbstractContextManager[Advance]:
    """A phase of work deep within a command, such as the reading of its data."""
    return (_shown or silent)(label, total)


@contextmanager
def silent(label: str, total: int | None = None) -> Iterator[Advance]:
    """Shows nothing."""
    yield lambda count: None
