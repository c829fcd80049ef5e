"""Weights of another run as the start of a training."""

from pathlib import Path

from ..models.autoencoder import Autoencoder
from ..runs.folder import Run


def initialise(model: Autoencoder, path: Path, part: str = "all") -> str:
    """Copy the weights of a finished run into the rows of the same name and shape.

    Args:
        path: the run folder.
        part: "encoder", "decoder" or "all".

    Returns:
        What was taken, row by row, in one line.
    """
    source = Run(path).model
    taken: list[str] = []
    left: list[str] = []
    for name in ("encoder", "decoder") if part == "all" else (part,):
        theirs = {layer.name: layer for layer in getattr(source, name).layers}
        for layer in getattr(model, name).layers:
            if not layer.weights:
                continue
            other = theirs.get(layer.name)
            shapes = [weight.shape for weight in layer.weights]
            if other is not None and [weight.shape for weight in other.weights] == shapes:
                layer.set_weights(other.get_weights())
                taken.append(f"{name}.{layer.name}")
            else:
                left.append(f"{name}.{layer.name}")
    rest = f"; at random, since no row there fits: {', '.join(left)}" if left else ""
    return f"weights of {path}: {', '.join(taken) or 'none'}{rest}"
