"""Ranges of the numbers in a row. Standard library only."""

from dataclasses import fields
from math import isfinite
from re import fullmatch

from .layers import ACTIVATIONS, Layer

LARGEST = 100_000  # number in a row


def fault(layer: Layer) -> str | None:
    """What is wrong with the numbers and names of a row, whatever it is given."""
    for setting in fields(layer):
        value, name = getattr(layer, setting.name), setting.name
        match name:
            case "inputs" | "outputs" | "channels" | "height" | "width" | "s" | "p" | "k":
                least, most = (0 if name == "p" else 1), LARGEST
                numbers = value if name == "k" and isinstance(value, tuple) and len(value) == 2 else (value,)
                if not all(type(number) is int and least <= number <= most for number in numbers):
                    return f"{name} is {value!r}; give a whole number from {least} to {most:,}"
            case "act" if value is not None and str(value) not in ACTIVATIONS:
                return f"act is {value!r}; use one of {', '.join(ACTIVATIONS)}"
            case "norm" if type(value) is not bool:
                return f"norm is {value!r}; give true or false"
            case "rate" if not (type(value) in (int, float) and 0 <= value < 1):
                return f"rate is {value!r}; give a number from 0 to below 1"
            case "scale" | "offset" if not (type(value) in (int, float) and isfinite(value)):
                return f"{name} is {value!r}; give a number"
            case "switch" | "name" if value is not None and not (
                isinstance(value, str) and fullmatch(r"[a-z][a-z0-9]{0,15}", value)
            ):
                return f"{name} is {value!r}; give a short name of small letters and digits"
            case _:
                pass
    return None
