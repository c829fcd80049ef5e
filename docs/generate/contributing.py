"""The file tree of docs/contributing.md."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from .records import ROOT

ROOMS = (
    "errors.py",
    "system",
    "architecture",
    "datasets",
    "models",
    "runs",
    "analysis",
    "training",
    "export",
    "reporting",
    "bench",
    "cli",
)  # in the order of imports


def tree() -> str:
    """Every room with its files, and the first sentence of each docstring."""
    package = ROOT / "keras_mnist_ae"
    known = [package / room for room in ROOMS if (package / room).exists()]
    others = sorted(path for path in package.iterdir() if path.is_dir() and any(path.glob("*.py")))
    lines = list[tuple[str, str]]()
    for room in [*known, *(path for path in others if path not in known)]:
        if room.suffix == ".py":
            lines.append((room.name, summary(room)))
            continue
        lines.append((f"{room.name}/", summary(room / "__init__.py")))
        lines += [(f"    {path.relative_to(room)}", summary(path)) for path in _modules(room)]
    width = max(len(name) for name, _ in lines)
    return "```\n" + "\n".join(f"{name:<{width}}  {text}".rstrip() for name, text in lines) + "\n```"


def _modules(room: Path) -> Iterator[Path]:
    yield from (path for path in sorted(room.rglob("*.py")) if path != room / "__init__.py")


def summary(path: Path) -> str:
    """The first sentence of the module's docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(docstring.split("\n\n")[0].split())
    return re.split(r"(?<!et al)\. ", paragraph)[0].removesuffix(".")
