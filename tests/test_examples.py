"""The examples in docstrings give what stands beside them."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import keras_mnist_ae

PACKAGE = Path(keras_mnist_ae.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_say(name, request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"getfixture": request.getfixturevalue}
    found = doctest.testmod(import_module(name), extraglobs=given)
    assert found.attempted
    assert not found.failed
