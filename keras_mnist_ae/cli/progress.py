"""Progress on stderr: a bar with the time left on a terminal, else a line every ten seconds."""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import click

from ..system.progress import Advance, on_terminal, terminal

INTERVAL = 10.0  # seconds between lines where there is no terminal


def progress(label: str, total: int | None = None) -> AbstractContextManager[Advance]:
    """A phase of a command: see `system.progress.Progress`."""
    return (on_terminal if terminal() else _lines)(label, total)


@contextmanager
def _lines(label: str, total: int | None) -> Iterator[Advance]:
    began = told = time.monotonic()
    done = 0

    def advance(parts: int) -> None:
        nonlocal done, told
        done += parts
        now = time.monotonic()
        if now - told >= INTERVAL:
            told = now
            left = ""
            if total and done:
                rate = done / (now - began)
                left = f" of {total:,}, {rate:,.0f}/s, {(total - done) / rate:.0f} s left"
            click.echo(f"kae: {label}: {done:,}{left}", err=True)

    yield advance
