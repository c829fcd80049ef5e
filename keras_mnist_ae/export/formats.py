"""The formats that a run can be exported in, in one table. Standard library only."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, get_args

Precision = Literal["float32", "float16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Format:
    """A format: its name as a sub-command of `kae export`, what is written, and the function that
    writes it, as "module:function" below `keras_mnist_ae.export`, which takes a run, its dataset, a
    precision and how many test images to compare on.
    """

    name: str
    help: str
    export: str
    precisions: tuple[Precision, ...]

    def load(self) -> Callable[..., Any]:
        """The function, imported now."""
        module, name = self.export.split(":")
        function: Callable[..., Any] = getattr(import_module(f".{module}", __package__), name)
        return function


FORMATS = (
    Format(
        "onnx",
        "Write encoder, decoder and autoencoder of RUN (the latest unless named) as ONNX graphs, "
        "held against the Keras model.\n\nfloat16 halves the files, int8 makes them up to four "
        "times smaller; each goes to a folder of its own beside float32's.",
        "folder:export",
        PRECISIONS,
    ),
)
