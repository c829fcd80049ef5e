"""What a step gives back: numbers that print as the command prints them."""

from html import escape
from typing import Any


class Result(dict[str, Any]):
    """The numbers of a step, as `--json` gives them; printed, the text that the command prints.

    `rows` and `arrays` hold what a step gives beside: see the function.
    """

    def __init__(
        self,
        numbers: dict[str, Any],
        text: str,
        rows: list[Any] | None = None,
        arrays: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(numbers)
        self.text = text
        self.rows = rows or []
        self.arrays = arrays or {}

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<pre>{escape(self.text)}</pre>"
