"""Model files that open with this package and without it."""

import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, cast

import keras
from keras.src.utils.module_utils import tensorflow

from ..architecture import toml
from ..architecture.variant import Variant

OWN = "autoencoder"  # in a config, what stock Keras leaves unread


@contextmanager
def tensorflow_left_alone() -> Iterator[None]:
    """Keep Keras from importing TensorFlow, to ask for its types, when it saves or loads under
    another backend: 2 s and 400 MB saved.
    """
    known = tensorflow._available
    if "tensorflow" not in sys.modules:
        tensorflow._available = False
    try:
        yield
    finally:
        tensorflow._available = known


def stock_named(path: Path, kind: type) -> None:
    """Let a `.keras` file name Keras' functional model as its class, beside the registered name of
    `kind`: Keras takes what is registered where there is something, else that class.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as new:
        for member in old.infolist():
            content = old.read(member)
            if member.filename == "config.json":
                config = json.loads(content)
                config |= {
                    "module": "keras.src.models.functional",
                    "class_name": "Functional",
                    "registered_name": keras.saving.get_registered_name(kind),
                }
                content = json.dumps(config).encode()
            new.writestr(member, content)
    temporary.replace(path)


class Saved:
    """Saving, and the config by which Keras copies, pickles and loads."""

    variant: Variant
    precision: str
    seed: int
    likelihood: str
    optimizer: Any
    _stock: Any

    def get_config(self) -> dict[str, Any]:
        """That of the model of stock layers, and what makes it an `Autoencoder`."""
        own = {"variant": toml.to_toml(self.variant), "precision": self.precision, "seed": self.seed}
        if self.variant.variational:
            own["likelihood"] = self.likelihood
        return {**self._stock().get_config(), OWN: own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        own = config.get(OWN)
        if own is None:
            raise ValueError("this config is of no Autoencoder")
        stock = keras.Model.from_config({k: v for k, v in config.items() if k != OWN}, custom_objects)
        variant = toml.parse_text(own["variant"])
        model: Any = cls(variant, stock.get_layer("encoder"), stock.get_layer("decoder"))  # type: ignore[call-arg]
        for name in {"precision", "seed", "likelihood"} & own.keys():
            setattr(model, name, own[name])
        return cast(Self, model)

    def save(self, filepath: str | Path, overwrite: bool = True, **options: Any) -> None:
        """Write the model with its optimizer. `keras.saving.load_model` gives an `Autoencoder`
        where this package has been imported, and a model of stock layers where it has not.
        """
        with tensorflow_left_alone():
            if Path(filepath).suffix != ".keras" or options:
                self._stock().save(filepath, overwrite=overwrite, **options)
                return
            super().save(filepath, overwrite=overwrite)  # type: ignore[misc]
            stock_named(Path(filepath), type(self))

    def save_stock(self, filepath: str | Path) -> None:
        """Write a model of stock layers without optimizer, as runs keep it."""
        with tensorflow_left_alone():
            self._stock().save(filepath)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as the saved model was; the optimizer has its variables from then on."""
        self.compile(**keras.saving.deserialize_keras_object(config))  # type: ignore[attr-defined]
        if self.optimizer is not None:
            self.optimizer.build(self.trainable_variables)  # type: ignore[attr-defined]

    def __reduce__(self) -> Any:
        with tensorflow_left_alone():
            reduced: Any = super().__reduce__()
        return _restored, (reduced[0], reduced[1])


def _restored(restore: Any, arguments: Any) -> Any:
    with tensorflow_left_alone():
        return restore(*arguments)
