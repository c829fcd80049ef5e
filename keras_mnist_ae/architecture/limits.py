"""Allowed values of the settings of a row. Standard library only."""

from dataclasses import fields
from math import isfinite
from re import fullmatch
from typing import Any

from .layers import ACTIVATIONS, Layer

LARGEST = 100_000  # number in a row


def error_in(layer: Layer) -> str | None:
    """What is wrong with the settings of a row whatever its input, or None."""
    for field in fields(layer):
        if (value := getattr(layer, field.name)) is not None and (allowed := _violated(field.name, value)):
            return f"{field.name} is {value!r}; {allowed}"
    return None


def _violated(name: str, value: Any) -> str | None:
    """What to give instead of a value that is not allowed, or None."""
    match name:
        case "inputs" | "outputs" | "channels" | "height" | "width" | "s" | "p" | "k":
            least = 0 if name == "p" else 1
            pair = name == "k" and isinstance(value, tuple) and len(value) == 2
            sizes = value if pair else (value,)
            if not all(type(size) is int and least <= size <= LARGEST for size in sizes):
                return f"give a whole number from {least} to {LARGEST:,}"
        case "act":
            if str(value) not in ACTIVATIONS:
                return f"use one of {', '.join(ACTIVATIONS)}"
        case "norm":
            if type(value) is not bool:
                return "give true or false"
        case "rate":
            if not (type(value) in (int, float) and 0 <= value < 1):
                return "give a number from 0 to below 1"
        case "scale" | "offset":
            if not (type(value) in (int, float) and isfinite(value)):
                return "give a number"
        case "switch" | "name":
            if not (isinstance(value, str) and fullmatch(r"[a-z][a-z0-9]{0,15}", value)):
                return "give a short name of small letters and digits"
        case _:
            raise AssertionError(f"no rule for the setting {name!r}: add one here")
    return None
