"""Words in messages: numbers of things, hints about names that are not known. Standard library
only.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


def did_you_mean(name: object, choices: Iterable[str], cutoff: float = 0.6) -> str:
    """The text "; did you mean ...?" with the closest choice, or "" where none is close.

    Examples:
        >>> did_you_mean("minst", ["mnist", "digits"])
        "; did you mean 'mnist'?"
    """
    near = get_close_matches(str(name), list(choices), n=1, cutoff=cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number of things in words.

    Examples:
        >>> counted(1, "class", "classes"), counted(1200, "image")
        ('1 class', '1,200 images')
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def titled(dataset: str) -> str:
    """A dataset's name as it is shown: of a path its last part.

    Examples:
        >>> titled("/home/me/photos"), titled("mnist")
        ('photos', 'mnist')
    """
    return Path(dataset).name or dataset


def calibrating(folder: Path) -> str:
    """The command that calibrates the run of a folder, or around it, as far as the folder tells."""
    run = folder if (folder / "config.toml").is_file() else folder.parent
    return f"kae calibrate {run}" if (run / "config.toml").is_file() else "kae calibrate"
