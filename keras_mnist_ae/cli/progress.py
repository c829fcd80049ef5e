"""Progress on stderr: a bar with the time left on a terminal, else a line every ten seconds."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..system import signals
from ..system.progress import Advance, silent

INTERVAL = 10.0  # seconds between lines where there is no terminal
_busy = False  # a phase within another is not shown


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Advance]:
    """A phase of a command: see `system.progress.Progress`."""
    global _busy
    outer, _busy = _busy, True
    shown = _bar if sys.stderr is not None and sys.stderr.isatty() else _lines
    try:
        with silent(label) if outer else shown(label, total) as advance:

            def count(parts: int) -> None:
                signals.check()  # foreign code may have swallowed the exception
                advance(parts)

            signals.check()
            yield count
    finally:
        _busy = outer


@contextmanager
def _bar(label: str, total: int | None) -> Iterator[Advance]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f} %" if total else ""),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True, expand=False) as bars:
        task = bars.add_task(label, total=total, rate="")

        def advance(parts: int) -> None:
            bars.advance(task, parts)
            speed = bars.tasks[0].speed
            bars.update(task, rate=f"{speed:,.0f}/s" if speed and speed >= 1 else "")

        yield advance


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
