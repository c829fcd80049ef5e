"""Loading Keras without the packages that it imports but that no command needs then.

Keras imports scikit-learn for `keras.wrappers`, matplotlib for its galleries and, on any backend,
JAX for Orbax checkpoints where they are installed; on torch, the compiler behind `torch.compile`,
to tell it about two functions. In a process of `kae` nothing uses these parts of Keras, and a
command that needs one of the packages itself imports it then.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from .progress import phase

OPTIONAL = ("sklearn", "matplotlib", "jax", "tensorflow", "pandas", "IPython")  # Keras does without each
COMPILER = "torch._dynamo"
_ours = False


def install() -> None:
    """Let `load` load Keras without them. For a process of ours: `kae`."""
    global _ours
    _ours = True


def load(backend: str) -> None:
    """Import Keras on the backend, in a process of ours without what it does not need.

    Args:
        backend: "torch", "tensorflow" or "jax".
    """
    if _ours and "keras" not in sys.modules and find_spec("keras"):
        with phase(f"loading Keras on {backend}"), imports(backend), _without_compiler(backend):
            import_module("keras")


@contextmanager
def imports(backend: str) -> Iterator[None]:
    """Within the block, in a process of ours, the optional packages of Keras are as if they were
    not installed, but for the backend's own and those that are loaded already.
    """
    hidden = [name for name in OPTIONAL if _ours and name != backend and name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # makes `import` raise ImportError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


class _Compiler(ModuleType):
    """Stands in for the compiler of torch: it leaves a function that is not to be compiled as it
    is. Whatever else is asked of it loads the real one.
    """

    def disable(self, *functions: Any) -> Any:
        return functions[0] if functions else lambda function: function

    def __getattr__(self, name: str) -> Any:
        sys.modules.pop(COMPILER, None)
        return getattr(import_module(COMPILER), name)


@contextmanager
def _without_compiler(backend: str) -> Iterator[None]:
    if backend != "torch" or COMPILER in sys.modules:
        yield
        return
    torch = import_module("torch")
    sys.modules[COMPILER] = stand_in = _Compiler(COMPILER)
    try:
        yield
    finally:
        if sys.modules.get(COMPILER) is stand_in:
            del sys.modules[COMPILER]
        if vars(torch).get("_dynamo") is stand_in:
            del torch._dynamo
