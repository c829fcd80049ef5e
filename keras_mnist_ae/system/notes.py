"""Lines that say what is done, left out or assumed. Standard library only."""

import os
import re
import sys
import textwrap
from contextlib import suppress
from typing import TextIO

from . import processes

LABEL = re.compile(r"kae: |\S+(?: \S+)? {2,}")  # what continued lines are indented by


def say(line: str) -> None:
    """A line on stderr; where nobody reads it, or the disk behind it is full, work goes on. Of
    several processes of one job the first speaks.
    """
    if sys.stderr and processes.is_first():
        with suppress(OSError, ValueError):  # ValueError: it is closed
            print(folded(line, sys.stderr), file=sys.stderr, flush=True)


def folded(text: str, stream: TextIO | None, indent: int | None = None) -> str:
    """The text with its lines broken between words where the terminal behind the stream is
    narrower; as it is where there is no terminal.

    Args:
        indent: of continued lines; None takes the width of what the line starts with, such as
            "kae: ".
    """
    if stream is None or not stream.isatty():
        return text
    try:
        width = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):
        return text
    return "\n".join(_folded(line, width, indent) for line in text.split("\n"))


def _folded(line: str, width: int, indent: int | None) -> str:
    if len(line) <= width:
        return line
    if indent is None:
        label = LABEL.match(line)
        indent = label.end() if label else 0
    return textwrap.fill(
        line,
        width,
        subsequent_indent=" " * (indent if indent < width // 2 else 4),
        break_long_words=False,
        break_on_hyphens=False,
    )
