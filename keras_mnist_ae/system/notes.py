"""Lines that say what is done, left out or assumed. Standard library only."""

import sys
from contextlib import suppress

from . import processes


def say(line: str) -> None:
    """A line on stderr; where nobody reads it, or the disk behind it is full, work goes on. Of
    several processes of one job the first speaks.
    """
    if sys.stderr and processes.is_first():
        with suppress(OSError, ValueError):  # ValueError: it is closed
            print(line, file=sys.stderr, flush=True)
