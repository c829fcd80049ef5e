"""Keras loaded without the packages that a command does not need then."""

import subprocess
import sys

import keras
import pytest

from keras_mnist_ae.system import lean

BACKEND = keras.backend.backend()
LOAD = """
import sys
from keras_mnist_ae.system import backend, lean
if {ours}:
    lean.install()
backend.choose({backend!r}, "cpu")
import keras
print(keras.backend.backend(), *sorted(set({optional}) & set(sys.modules)))
import sklearn.base, matplotlib.pyplot
print(sklearn.base.BaseEstimator.__name__, matplotlib.pyplot.plot.__name__)
"""


@pytest.mark.backend
def test_a_command_loads_keras_without_what_it_does_not_need_and_can_load_that_afterwards():
    code = LOAD.format(ours=True, backend=BACKEND, optional=lean.OPTIONAL)
    lines = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    own = "" if BACKEND == "torch" else f" {BACKEND}"
    assert lines.splitlines() == [f"{BACKEND}{own}", "BaseEstimator plot"]


def test_a_process_of_the_user_gets_all_of_keras():
    before = {name: sys.modules.get(name) for name in lean.OPTIONAL}
    with lean.imports(BACKEND):
        assert {name: sys.modules.get(name) for name in lean.OPTIONAL} == before


def test_packages_are_hidden_only_within_the_block(monkeypatch):
    monkeypatch.setattr(lean, "_ours", True)
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    with lean.imports(BACKEND), pytest.raises(ImportError):
        import pandas  # noqa: F401
    assert "pandas" not in sys.modules
