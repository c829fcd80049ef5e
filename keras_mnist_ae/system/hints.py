"""Hints in messages about names that are not known. Standard library only."""

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: object, choices: Iterable[str], cutoff: float = 0.6) -> str:
    """The text "; did you mean ...?" with the closest choice, or "" where none is close.

    Examples:
        >>> did_you_mean("minst", ["mnist", "digits"])
        "; did you mean 'mnist'?"
    """
    near = get_close_matches(str(name), list(choices), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""
