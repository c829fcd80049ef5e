"""Whether this process is one of several that a launcher, such as torchrun, has started for one
job.
"""

import os

from ..errors import UsageError


def count() -> int:
    """How many processes the launcher has started; 1 without one.

    Examples:
        >>> count()
        1
    """
    size = os.environ.get("WORLD_SIZE", "")
    return int(size) if size.isdecimal() and "RANK" in os.environ else 1


def refuse_several() -> None:
    """Raises `UsageError` in one of several processes: each would train the same run."""
    if count() > 1:
        raise UsageError(
            f"a launcher has started {count()} processes (WORLD_SIZE), and each would train the whole run.\n"
            "Start one process: kae train. In a job that has other uses for WORLD_SIZE, unset it."
        )
