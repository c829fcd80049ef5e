"""Autoencoders as tables: rows that know their output shape, parameter count and printed form.
Standard library only.
"""

from .layers import (
    Add,
    Branch,
    Conv,
    ConvTranspose,
    Dense,
    Dropout,
    Flatten,
    Gaussian,
    GlobalAveragePool,
    Layer,
    MaxPool,
    MaxUnpool,
    Rescale,
    Unflatten,
)
from .shapes import Shape, text
from .stack import Stack, Step
from .variant import Recipe, Variant

__all__ = [
    "Add",
    "Branch",
    "Conv",
    "ConvTranspose",
    "Dense",
    "Dropout",
    "Flatten",
    "Gaussian",
    "GlobalAveragePool",
    "Layer",
    "MaxPool",
    "MaxUnpool",
    "Recipe",
    "Rescale",
    "Shape",
    "Stack",
    "Step",
    "Unflatten",
    "Variant",
    "text",
]
