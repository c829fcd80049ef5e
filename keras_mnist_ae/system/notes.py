"""Lines that say what is done, left out or assumed."""

from contextlib import suppress

import click

from . import processes


def say(line: str) -> None:
    """A line on stderr; where nobody reads it, or the disk behind it is full, work goes on. Of
    several processes of one job the first speaks.
    """
    if not processes.is_first():
        return
    with suppress(OSError):
        click.echo(line, err=True)
