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


@contextmanager
def silent(label: str, total: int | None = None) -> Iterator[Advance]:
    """Shows nothing."""
    yield lambda count: None
