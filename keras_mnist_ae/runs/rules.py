"""Rules for the value of a setting: what is allowed, in code and in words.

Standard library only: the command line reads them for its options.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import UsageError

LARGEST_INTEGER = 2**63 - 1


class Rule(ABC):
    """`type` is what the command line turns the text of an option into."""

    type: ClassVar[Any] = str
    words: str
    """What is allowed, for the documentation."""

    @abstractmethod
    def check(self, name: str, value: Any) -> None:
        """Raise `UsageError`, naming the setting and its value, when it is not allowed."""


@dataclass(frozen=True)
class OneOf(Rule):
    """One of some words."""

    choices: tuple[str, ...]

    @property
    def words(self) -> str:  # type: ignore[override]
        return f"{', '.join(self.choices[:-1])} or {self.choices[-1]}"

    def check(self, name: str, value: Any) -> None:
        if value not in self.choices:
            raise UsageError(f"{name} is {value!r}; use one of {', '.join(self.choices)}")


@dataclass(frozen=True)
class Integer(Rule):
    """A whole number."""

    least: int
    most: int = LARGEST_INTEGER
    type: ClassVar[Any] = int

    @property
    def words(self) -> str:  # type: ignore[override]
        top = "up" if self.most == LARGEST_INTEGER else f"to {self.most:,}"
        return f"a whole number from {self.least} {top}"

    def check(self, name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int) or value < self.least:
            raise UsageError(f"{name} is {value!r}; give a whole number from {self.least} up")
        if value > self.most:
            shown = value if value <= LARGEST_INTEGER else "too large"
            raise UsageError(f"{name} is {shown}; give at most {self.most:,}")


@dataclass(frozen=True)
class Number(Rule):
    """A finite number."""

    words: str
    allows: Callable[[float], bool]
    type: ClassVar[Any] = float

    def check(self, name: str, value: Any) -> None:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or not self.allows(value):
            raise UsageError(f"{name} is {value!r}; give {self.words}")


PART = Number("a number from 0 to 1: a part of all steps", lambda part: 0 <= part <= 1)
BELOW_1 = Number("a number from 0 to below 1", lambda number: 0 <= number < 1)


@dataclass(frozen=True)
class Flag(Rule):
    """Yes or no."""

    words: str = "true or false"
    type: ClassVar[Any] = bool

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, bool):
            raise UsageError(f"{name} is {value!r}; give true or false")


@dataclass(frozen=True)
class Text(Rule):
    """Text that can be printed, and matches the pattern where there is one."""

    words: str = "text"
    pattern: str = ".+"

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, str) or not value:
            raise UsageError(f"{name} is {value!r}; give {self.words}")
        if not value.isprintable():
            raise UsageError(
                f"{name} is {value!r}, which holds characters that cannot be written down; "
                "choose another name"
            )
        if not re.fullmatch(self.pattern, value):
            raise UsageError(f"{name} is {value!r}; give {self.words}")


@dataclass(frozen=True)
class Parsed(Rule):
    """Text that a function of the package takes apart; the function raises `UsageError`."""

    words: str
    parse: Callable[[Any], object]

    def check(self, name: str, value: Any) -> None:
        self.parse(value)


@dataclass(frozen=True)
class Table(Rule):
    """A variant of one's own, read from its file before it comes here."""

    words: str = "a TOML file"

    def check(self, name: str, value: Any) -> None:
        value.check_trainable()


@dataclass(frozen=True)
class Setting:
    """What a setting means and what its value may be.

    `default` says in words what `value`, the default, cannot say. A `variational` setting is
    refused for other variants. A `personal` one says where the run lies, not how it is trained: it
    is not written into the run's config.
    """

    group: str
    rule: Rule
    help: str
    value: Any = None
    default: str = ""
    variational: bool = False
    personal: bool = False


def setting(value: Any, group: str, rule: Rule, text: str, /, **options: Any) -> Any:
    """A field with its default value, or with the function that makes it."""
    metadata = {"setting": Setting(group, rule, text, value, **options)}
    if callable(value):
        return field(default_factory=value, metadata=metadata)
    return field(default=value, metadata=metadata)
