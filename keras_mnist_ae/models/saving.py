"""Loading a `model.keras`, of which only the weights are used."""

import json
from pathlib import Path

from ..architecture import toml
from ..architecture.variant import Variant
from ..architecture.variants import find
from ..errors import CorruptFileError
from . import archive
from .autoencoder import Autoencoder
from .build import build
from .stock import tensorflow_left_alone


def load(path: str | Path, variant: Variant | None = None) -> Autoencoder:
    """The model in a `model.keras` written by `Autoencoder.save`: that of `variant`, else of the
    variant it names, with the weights in the file.

    Nothing else in the file is used, let alone run. Raises `CorruptFileError` when it is not one of
    ours.
    """
    path = Path(path)
    try:
        found = archive.screened(path)
        if variant and found.name != variant.name:
            raise ValueError(f"it is a {found.name}, not a {variant.name}")
        variant = variant or (toml.parse_text(found.table) if found.table else find(found.name))
        model = build(variant)
        stock = model._stock()
        with tensorflow_left_alone():
            foreign = found.classes - archive.classes(json.loads(stock.to_json()))
        if foreign:
            raise ValueError(f"{found.name} has no {', '.join(sorted(name for _, name in foreign))}")
        if sorted(found.shapes) != sorted(tuple(weight.shape) for weight in stock.weights):
            raise ValueError(f"its weights are not those of {found.name}")
        with tensorflow_left_alone():
            stock.load_weights(path)
        return model
    except Exception as error:  # whatever zipfile, json, h5py and Keras meet in a file that is not ours
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise CorruptFileError(f"{path} is not a model this package can open: {reason}") from error
