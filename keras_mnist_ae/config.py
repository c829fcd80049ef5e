"""What a training run is told: defaults, then a TOML file, then flags; checked in one place."""

import json
import math
import numbers
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from . import backend, recipes
from .errors import UsageError
from .files import read_text
from .recipes import RECIPES
from .variants import find


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of one run. Raises `UsageError`, naming the setting and its value, when one cannot be used.

    `checkpoint_every` is a number of batches ("200") or of seconds ("30s"; None is 60 seconds), beside a checkpoint after each epoch.
    `epochs`, `batch_size`, `learning_rate`, `beta_2` and `warm_up` have the variant's `recipe` as their defaults: see `configure`.
    `validation` is how many training images, the last ones, are kept out to be looked at after each epoch in place of the test images.
    """

    variant: str = "conv-avgpool"
    backend: str = field(default_factory=backend.current)
    device: str = "auto"
    dataset: str = "mnist"
    data_dir: str | None = None
    recipe: str = "reference"
    epochs: int
    batch_size: int
    learning_rate: float
    beta_2: float = 0.999
    warm_up: float = 0.0
    seed: int = 0
    limit: int | None = None
    validation: int = 0
    checkpoint_every: str | None = None
    runs_dir: str = "runs"
    name: str | None = None

    def __post_init__(self) -> None:
        find(self.variant)
        _one_of("backend", self.backend, backend.BACKENDS)
        _one_of("device", self.device, backend.DEVICES)
        _one_of("recipe", self.recipe, RECIPES)
        for setting in ("dataset", "runs_dir", "data_dir", "name"):
            if not isinstance(value := getattr(self, setting), str | None) or value == "":
                raise UsageError(f"{setting} is {value!r}; give text")
        if self.checkpoint_every is not None and not re.fullmatch(r"[1-9]\d{0,8}s?", str(self.checkpoint_every)):
            raise UsageError(f"checkpoint_every is {self.checkpoint_every!r}; give a number of batches (200) or of seconds (30s)")
        _integer("epochs", self.epochs, 1)
        _integer("batch_size", self.batch_size, 1)
        _integer("seed", self.seed, 0)
        if self.limit is not None:
            _integer("limit", self.limit, 1)
        _integer("validation", self.validation, 0)
        _number("learning_rate", self.learning_rate, "above 0, such as 0.001", lambda rate: 0 < rate < math.inf)
        _number("beta_2", self.beta_2, "from 0 to below 1", lambda beta: 0 <= beta < 1)
        _number("warm_up", self.warm_up, "from 0 to below 1: a part of all steps", lambda part: 0 <= part < 1)
        if self.name is not None and (not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", self.name) or self.name == "latest"):
            raise UsageError(f"name is {self.name!r}; use letters, digits, '.', '_' and '-', and not 'latest'")

    def to_toml(self) -> str:
        """The settings that make the result, as TOML that `kae train --config` takes; where the run lies is not among them."""
        settings = {key: value for key, value in asdict(self).items() if value is not None and key not in {"runs_dir", "name"}}
        return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in settings.items())


def configure(file: Path | None = None, **flags: Any) -> TrainConfig:
    """Defaults, then the TOML file, then the flags that are not None; the variant's recipe where none of them speaks.

    A relative `data_dir` becomes absolute. The recipe's values that a file has written down count as the file's.

    Raises `UsageError` for an unknown setting, an unreadable file, or a value that cannot be used.
    """
    settings = {**(read(file) if file else {}), **{key: _plain(value) for key, value in flags.items() if value is not None}}
    _known(settings, "the call")
    if isinstance(settings.get("data_dir"), str):
        settings["data_dir"] = str(Path(settings["data_dir"]).expanduser().absolute())  # the run may be read from another folder
    name = settings.get("variant", TrainConfig.variant)
    find(name)
    recipe = recipes.find(name, settings.get("recipe", TrainConfig.recipe))
    return TrainConfig(**{**asdict(recipe), **settings})


def read(file: Path) -> dict[str, Any]:
    """The settings in a TOML file. Raises `UsageError`."""
    try:
        settings = tomllib.loads(read_text(file))
    except (OSError, ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError
        raise UsageError(f"cannot read the config file {file}: {error}") from error
    _known(settings, str(file))
    return settings


def _plain(value: Any) -> Any:
    """Paths as text, numpy's numbers as Python's."""
    match value:
        case os.PathLike():
            return os.fspath(value)
        case numbers.Integral() if not isinstance(value, bool):
            return int(value)
        case numbers.Real() if not isinstance(value, bool):
            return float(value)
        case _:
            return value


def _known(settings: Mapping[str, Any], where: str) -> None:
    names = [setting.name for setting in fields(TrainConfig)]
    for key in settings:
        if key not in names:
            near = get_close_matches(key, names, n=1, cutoff=0.0)[0]
            raise UsageError(f"unknown setting {key!r} in {where}; did you mean {near!r}?\nThe settings: {', '.join(names)}.")


def _one_of(setting: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{setting} is {value!r}; use one of {', '.join(allowed)}")


def _number(setting: str, value: Any, wanted: str, allowed: Callable[[float], bool]) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not allowed(value):
        raise UsageError(f"{setting} is {value!r}; give a number {wanted}")


def _integer(setting: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"{setting} is {value!r}; give a whole number from {least} up")
