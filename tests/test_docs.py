"""The documentation: public names are explained, paths, links and commands in it exist, and the
tutorials run on public names alone.
"""

import ast
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
from support import unknown_words

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TUTORIALS = sorted((DOCS / "tutorials").glob("*.py"))
QUICK = "own_table"  # the tutorial that runs in the quick tests
page = pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


@pytest.fixture
def reference(monkeypatch):
    monkeypatch.syspath_prepend(DOCS)
    from generate import reference

    return reference


def test_every_public_name_has_a_docstring_and_an_entry(reference):
    import griffe

    package = griffe.load("keras_mnist_ae", search_paths=[ROOT], resolve_aliases=True)
    entries = set(re.findall(r"^::: (\S+)$", (DOCS / "reference" / "api.md").read_text("utf-8"), re.M))
    names = {f"{module}.{name}" for module, name in reference.public_names()}
    assert entries == names
    without = [name for name in sorted(names) if not package[name.removeprefix("keras_mnist_ae.")].docstring]
    assert without == []


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 120


@page
def test_links_lead_to_files(page):
    """mkdocs looks only at the pages of the site."""
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link


@page
def test_paths_of_modules_exist(page):
    if page.name == "changelog.md":
        return
    for path in re.findall(r"`((?:\w+/)*\w+\.py)`", page.read_text("utf-8")):
        places = (ROOT / path, ROOT / "keras_mnist_ae" / path)
        assert any(place.is_file() for place in places), path


@page
def test_commands_exist_with_their_options(page):
    """In blocks of commands and within sentences."""
    text = re.sub(r"\[\[\[cog.*?\]\]\]", "", page.read_text("utf-8"), flags=re.S)
    commands = re.findall(r"^ {4}(kae .*)$", text, re.M) + re.findall(r"`(kae [^`]*)`", text)
    for command in commands:
        for part in command.replace("\n", " ").split("&&"):
            unknown = unknown_words(shlex.split(part, comments=True))
            assert not unknown, f"{part}: {unknown}"


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_tutorials_import_public_names_alone(path, reference):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module] if isinstance(node, ast.ImportFrom) else []
        own = {name for name in names if name.startswith("keras_mnist_ae")}
        assert own <= set(reference.PUBLIC_MODULES), own


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if path.stem == QUICK else pytest.mark.slow, id=path.stem)
        for path in TUTORIALS
    ],
)
def test_tutorials_run(path, tmp_path, monkeypatch):
    """As scripts; `make site` runs them as notebooks."""
    monkeypatch.chdir(tmp_path)  # and back afterwards: tutorials change into a folder of their own
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(path)])
    names = runpy.run_path(str(path))
    assert Path.cwd().is_relative_to(tmp_path)
    if "run" in names:
        assert names["run"].metrics["test_mse"] < 0.06  # the mean image: 0.0618
