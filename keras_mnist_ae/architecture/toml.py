"""A variant as TOML, a row a line: how a run keeps its own, and how users write theirs."""

import json
import tomllib
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..system.hints import did_you_mean
from ..system.reading import read_toml
from .layers import LAYERS, Layer
from .limits import error_in
from .shapes import Shape
from .stack import Stack, walk
from .variant import Recipe, Variant

KINDS = {kind.__name__: kind for kind in LAYERS}
LONGEST = 500  # rows in a stack


def to_toml(variant: Variant) -> str:
    """The table, with the shape of each row and the number of parameters, as `read` takes it."""
    lines = [
        f"name = {_value(variant.name)}",
        f"summary = {_value(variant.summary)}",
        f"parameters = {variant.parameters}",
    ]
    lines += [f"note = {_value(variant.note)}"] if variant.note else []
    recipe = ", ".join(f"{key} = {_value(value)}" for key, value in asdict(variant.recipe).items())
    lines += [f"image = {_value(variant.image)}", f"recipe = {{ {recipe} }}"]
    for part, stack in (("encoder", variant.encoder), ("decoder", variant.decoder)):
        lines += ["", f"{part} = [", *(f"  {_row(layer, shape)}," for layer, shape in stack.rows), "]"]
    return "\n".join(lines) + "\n"


def read(path: Path) -> Variant:
    """The variant in a TOML file. Raises `UsageError`, naming the row, its shapes and what would
    fit.
    """
    try:
        return parse(read_toml(path), path.stem)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the table {path}: {error}") from error


def parse_text(text: str) -> Variant:
    """The variant that `to_toml` wrote. Raises `UsageError`."""
    try:
        return parse(tomllib.loads(text))
    except ValueError as error:
        raise UsageError(f"this is no table: {error}") from error


def parse(table: dict[str, Any], name: str = "table") -> Variant:
    """The variant that `to_toml` describes; `shape` and `parameters` are checked where they are
    given. Raises `UsageError`.
    """
    _known(
        table, ("name", "summary", "note", "parameters", "image", "recipe", "encoder", "decoder"), "the table"
    )
    for key in ("image", "encoder", "decoder"):
        if not isinstance(table.get(key), list):
            raise UsageError(
                f"the table has no {key}: give image = [channels, height, width], encoder = [ rows ] and "
                "decoder = [ rows ]"
            )
    name, summary, note = (
        table.get(key, default) for key, default in (("name", name), ("summary", ""), ("note", ""))
    )
    if (
        not all(isinstance(value, str) for value in (name, summary, note))
        or not name.replace("-", "").replace("_", "").isalnum()
    ):
        raise UsageError(f"the table's name is {name!r}; give letters, digits, - and _")
    image = tuple(table["image"])
    if len(image) != 3 or not all(type(size) is int and 1 <= size <= 1024 for size in image):
        raise UsageError(f"image is {table['image']!r}; give [channels, height, width], each from 1 to 1024")
    encoder = _stack("encoder", image, table["encoder"])
    decoder = _stack("decoder", encoder.output, table["decoder"])
    claimed = table.get("parameters", encoder.parameters + decoder.parameters)
    if type(claimed) is not int:
        raise UsageError(f"parameters is {claimed!r}; give a whole number, or leave it out")
    variant = Variant(name, summary, encoder, decoder, claimed, _recipe(table.get("recipe", {})), note)
    variant.check_trainable()
    return variant


def _recipe(given: Any) -> Recipe:
    names = [setting.name for setting in fields(Recipe)]
    if not isinstance(given, dict):
        raise UsageError(
            f"recipe is {given!r}; give {{ epochs = 10, batch_size = 32, learning_rate = 0.001 }}"
        )
    _known(given, names, "recipe")
    for key, value in given.items():
        if type(value) is not int and not (type(value) is float and key not in ("epochs", "batch_size")):
            raise UsageError(
                f"recipe: {key} is {value!r}; give a "
                f"number{' without a fraction' if key in ('epochs', 'batch_size') else ''}"
            )
    return Recipe(
        **{"epochs": 10, "batch_size": 32, "learning_rate": 1e-3, **given}
    )  # their ranges are checked with the other settings


def _stack(part: str, shape: Shape, rows: list[Any]) -> Stack:
    if not 1 <= len(rows) <= LONGEST:
        raise UsageError(f"the {part} has {len(rows)} rows; give 1 to {LONGEST}")
    layers = [_layer(f"{part}, row {number}", row) for number, row in enumerate(rows, 1)]
    outputs = walk(part, shape, layers)
    return Stack(shape, tuple((layer, output) for (layer, _), output in zip(layers, outputs, strict=True)))


def _layer(where: str, row: Any) -> tuple[Layer, Shape | None]:
    if not isinstance(row, dict) or str(row.get("layer")) not in KINDS:
        kind = row.get("layer") if isinstance(row, dict) else row
        hint = did_you_mean(kind, KINDS)
        if isinstance(row, str):
            hint += '; write { layer = "...", ... }'
        raise UsageError(f"{where}: unknown layer {str(kind)[:60]!r}{hint}\nThe layers: {', '.join(KINDS)}.")
    kind = KINDS[str(row["layer"])]
    settings = {key: value for key, value in row.items() if key not in ("layer", "shape")}
    _known(settings, [setting.name for setting in fields(kind)], f"{where}, {row['layer']}")
    missing = [
        setting.name
        for setting in fields(kind)
        if setting.default is MISSING and setting.name not in settings
    ]
    if missing:
        raise UsageError(f"{where}, {row['layer']}: give {', '.join(missing)} too")
    claim = row.get("shape")
    if claim is not None and not (
        isinstance(claim, list) and len(claim) in (1, 3) and all(type(size) is int for size in claim)
    ):
        raise UsageError(f"{where}: shape is {claim!r}; give [channels, height, width] or [length]")
    make: Any = kind
    layer: Layer = make(
        **{
            key: tuple(value) if key == "k" and isinstance(value, list) else value
            for key, value in settings.items()
        }
    )
    if error := error_in(layer):
        raise UsageError(f"{where}, {row['layer']}: {error}")
    return layer, None if claim is None else tuple(claim)


def _known(given: dict[str, Any], names: Any, where: str) -> None:
    for key in given:
        if key not in names:
            raise UsageError(
                f"{where} has no setting {key[:60]!r}{did_you_mean(key, names)}"
                + (f"\nIt has: {', '.join(names)}." if names else "")
            )


def _row(layer: Layer, shape: Shape) -> str:
    settings = {setting.name: getattr(layer, setting.name) for setting in fields(layer)}
    defaults = {setting.name: setting.default for setting in fields(layer)}
    told = {
        "layer": type(layer).__name__,
        **{key: value for key, value in settings.items() if value != defaults[key]},
        "shape": shape,
    }
    return "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in told.items()) + " }"


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
