"""Lines that say what is done, left out or assumed."""

from contextlib import suppress

import click


def say(line: str) -> None:
    """A line on stderr; where nobody reads it, or the disk behind it is full, work goes on."""
    with suppress(OSError):
        click.echo(line, err=True)
