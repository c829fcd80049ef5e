"""Text from files and users made fit for a terminal: bounded, and without control characters."""

import unicodedata

LINES, CHARACTERS = 6, 1200  # of a message
HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}  # control, format (among them bidirectional marks), surrogates
ALLOWED = {"\n", "\u200d", "\ufe0f"}  # line end, and what joins emoji


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
    """The same for a message: at most six lines and 1,200 characters."""
    lines = shown(text).splitlines()
    text = "\n".join(lines[:LINES])
    return text if len(text) <= CHARACTERS else f"{text[: CHARACTERS - 1]}…"
