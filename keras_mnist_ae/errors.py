"""Failures a user can meet: one exception per exit code of the command line.

Messages are written for the command line. In Python they speak of arguments: see `in_python`.
"""

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = [  # what users catch; the functions are the package's own
    "CorruptFileError",
    "DataError",
    "DivergedError",
    "KaeError",
    "LostProcessError",
    "MissingDependencyError",
    "UsageError",
    "ValidationError",
    "WriteError",
]

_at_command_line = False

LINES, CHARACTERS = 6, 1200  # of a message
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}  # control, format (among them bidirectional marks), surrogates
ALLOWED = {"\n", "\u200d", "\ufe0f"}  # line end, and what joins emoji

COMMANDS = {  # what does in Python what a command does
    "cluster": "cluster()",
    "evaluate": "evaluate()",
    "explore": "explore()",
    "export onnx": "export_onnx()",
    "finish": "finish()",
    "latent": "latent()",
    "report": "report()",
    "resume": "resume()",
}
SWITCHES = {"allow-inexact": "inexact=True", "overwrite": "overwrite=True"}
PATTERN = re.compile(
    r"(?P<shell>kae (?:data|train --|bench|publish|models)[^\n`;]*)"
    rf"|kae (?P<verb>{'|'.join(COMMANDS)}) (?P<run>[^\s;,)]+[^\s;,).])(?: --precision (?P<precision>\w+))?"
    r"|kae train (?P<variant>[a-z][a-z0-9-]*)"
    r"|(?P<list>kae runs)(?: --runs-dir (?P<folder>\S+))?(?= lists)"
    r"|--no-(?P<off>[a-z][a-z-]*)"
    r"|--(?P<option>[a-z][a-z0-9_-]*)(?: (?P<value>[A-Z0-9][\w./:-]*\w|\d)| (?P<word>[a-z]\w*)(?=`))?"
)


@contextmanager
def at_command_line() -> Iterator[None]:
    """A context in which messages speak of options."""
    global _at_command_line
    before, _at_command_line = _at_command_line, True
    try:
        yield
    finally:
        _at_command_line = before


def worded(message: str) -> str:
    """A message as its reader speaks: of options at the command line, of arguments in Python."""
    return message if _at_command_line else in_python(message)


def reason(error: BaseException, most: int = 300) -> str:
    """Why something failed, in one line of at most so many characters: of an error of the system
    its words alone, without number and file.

    Examples:
        >>> reason(FileNotFoundError(2, "No such file or directory", "a.png"))
        'No such file or directory'
    """
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split())[:most] or type(error).__name__


def in_python(message: str) -> str:
    """A message with arguments and calls in place of options and commands.

    Commands that have no counterpart in Python are kept.

    Examples:
        >>> in_python("Give --batch-size 8 or less.")
        'Give batch_size=8 or less.'
        >>> in_python("Go on with it: kae resume runs/a")
        "Go on with it: kae.Run('runs/a').resume()"
    """
    return PATTERN.sub(_in_python, message)


def _in_python(match: re.Match[str]) -> str:
    found = match.groupdict()
    if found["verb"]:
        arguments = f"({found['precision']!r})" if found["precision"] else "()"
        return f"kae.Run({found['run']!r}).{COMMANDS[found['verb']].replace('()', arguments)}"
    if found["variant"]:
        return f"kae.train({found['variant']!r})"
    if found["list"]:
        return f"kae.runs({found['folder']!r})" if found["folder"] else "kae.runs()"
    if found["off"]:
        return f"{found['off'].replace('-', '_')}=False"
    if found["option"] in SWITCHES:
        return SWITCHES[found["option"]]
    if found["option"]:
        value = f"={found['value']}" if found["value"] else f"={found['word']!r}" if found["word"] else ""
        return found["option"].replace("-", "_") + value
    return match[0]


def shown(text: str) -> str:
    """The text with control characters, bidirectional marks and invalid characters escaped.

    Examples:
        >>> shown("a\\x1b[31mb")
        'a\\\\x1b[31mb'
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(
        character
        if character in ALLOWED or unicodedata.category(character) not in HIDDEN
        else character.encode("unicode_escape", "backslashreplace").decode("ascii")
        for character in text
    )


def message(text: str) -> str:
    """The same for a message: at most six lines and 1,200 characters; the longest line gives way.

    Examples:
        >>> text = message("It holds " + 5000 * "x" + "\\nMake it anew.")
        >>> len(text), text.splitlines()[1]
        (1200, 'Make it anew.')
    """
    lines = shown(text).splitlines()[:LINES]
    while (over := len("\n".join(lines)) - CHARACTERS) > 0:
        at = max(range(len(lines)), key=lambda number: len(lines[number]))
        lines[at] = f"{lines[at][: max(len(lines[at]) - over - 1, 0)]}…"
    return "\n".join(lines)


class KaeError(Exception):
    """Any failure with a message for the user: what happened, to which file or value, what to do
    next (six lines at most).
    """

    exit_code = 1

    def __str__(self) -> str:
        return message(worded(super().__str__()))


class UsageError(KaeError, ValueError):
    """A value that cannot be used: unknown name, number out of range, unknown key."""

    exit_code = 2


class MissingDependencyError(KaeError):
    """An optional package is not installed; the message names the install command."""

    exit_code = 3


class DataError(KaeError):
    """A dataset that is missing, broken or does not fit the model."""

    exit_code = 4


class CorruptFileError(KaeError):
    """A file of ours that is corrupt or not to be trusted."""

    exit_code = 5


class ValidationError(KaeError):
    """A result that failed its check."""

    exit_code = 6


class DivergedError(KaeError):
    """Training whose loss is no longer a finite number."""

    exit_code = 7


class LostProcessError(KaeError):
    """One of several processes that trained together has ended."""


class WriteError(KaeError):
    """A file or folder that cannot be written."""

    exit_code = 8
