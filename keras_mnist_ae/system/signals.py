"""SIGINT and SIGTERM: an exception that nothing takes for a failure, and a note of it for where an
exception is lost.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_received: int | None = None
_deferred = False
_together = False  # whether only a signal counts that all processes of a group know of
_agreed: int | None = None  # that signal
_remedy = ""  # what goes on with the work that is stopped
_unfinished = 0  # things that are put right when an exception passes them


SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Interrupted(BaseException):
    """Stopped by a signal; `exit_code` is 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP."""

    def __init__(self, number: int) -> None:
        super().__init__(
            ("interrupted" if number == signal.SIGINT else "terminated")
            + (f"; to go on: {_remedy}" if _remedy else "")
        )
        self.exit_code = 128 + number


def install() -> None:
    """Turn the first signal into `Interrupted`; a second one ends the process at once. For a
    process of ours: `kae`.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` has it
            signal.signal(number, _receive)
    sys.unraisablehook = _unraisable


def leave() -> None:
    """What a signal would have stopped is done: while Python takes itself apart, it changes
    nothing.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def pending() -> Interrupted | None:
    """The interruption that was received, although its exception may have been lost in a destructor
    or wrapped by a library; in a group of processes that is training, the one that all agree on.
    """
    number = _agreed if _together else _received
    return None if number is None else Interrupted(number)


def received() -> int:
    """The number of the signal that this process was sent; 0 without one."""
    return _received or 0


def agree(number: int) -> None:
    """All processes of a group stop after the batch at hand: one of them was sent a signal."""
    global _agreed, _received
    _agreed = number
    _received = _received or number


def check() -> None:
    """Raise `Interrupted` if a signal was received."""
    if interruption := pending():
        raise interruption


@contextmanager
def deferred(together: bool = False) -> Iterator[None]:
    """Within the block a signal is noted, and raised at its end: for foreign code that an exception
    at any moment may crash.

    Args:
        together: whether `pending` and `check` tell only of what the processes of a group agree on,
            since one that stopped a batch before the others would leave them waiting.
    """
    global _deferred, _together, _agreed
    _deferred, _together, _agreed = True, together, None
    try:
        yield
    finally:
        _deferred = _together = False
    check()


@contextmanager
def remedied(command: str) -> Iterator[None]:
    """An interruption within the block tells the command that goes on."""
    global _remedy
    _remedy = command
    yield
    _remedy = ""


def remedy() -> str:
    """That command; "" without one."""
    return _remedy


@contextmanager
def unfinished() -> Iterator[None]:
    """Within the block there is something that an exception puts right, so that the process must
    not end without one.
    """
    global _unfinished
    _unfinished += 1
    try:
        yield
    finally:
        _unfinished -= 1


def _receive(number: int, frame: FrameType | None) -> None:
    global _received
    _received = number
    signal.signal(number, signal.SIG_DFL)
    if _deferred:
        return
    if (
        _importing(frame) and not _unfinished
    ):  # libraries that load may abort on an exception; and there is nothing to save
        os.write(2, f"kae: {Interrupted(number)}\n".encode())
        os._exit(128 + number)
    raise Interrupted(number)


def _importing(frame: FrameType | None) -> bool:
    while frame and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _unraisable(lost: Any) -> None:
    """Python drops, after printing it, what is raised within a destructor or a callback of the
    garbage collector: then the signal is sent anew, to arrive when that is over.
    """
    if not isinstance(lost.exc_value, Interrupted):
        sys.__unraisablehook__(lost)
    elif not _deferred and _received is not None:
        signal.signal(_received, _receive)
        threading.Timer(0.05, os.kill, (os.getpid(), _received)).start()
