"""What a training run is told: defaults, then a TOML file, then flags; checked in one place."""

import json
import math
import numbers
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..architecture import recipes, toml, transforms
from ..architecture.families import FAMILIES
from ..architecture.limits import LARGEST
from ..architecture.recipes import RECIPES
from ..architecture.shapes import Shape
from ..architecture.variant import Variant
from ..architecture.variants import find
from ..datasets import user_files
from ..datasets.noise import LIKELIHOODS, corruption
from ..datasets.resize import Fit
from ..errors import UsageError
from ..system import backend
from ..system.reading import read_toml

LARGEST_INTEGER = 2**63 - 1
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The settings of one run. Raises `UsageError`, naming the setting and its value, when one
    cannot be used.

    `epochs`, `batch_size`, `learning_rate`, `beta_2` and `warm_up` have the variant's `recipe` as
    their defaults: see `configure`.

    `table` is a variant of one's own, whose name `variant` then is; `latent_dim`, `batch_norm` and
    `dropout` change the variant: see `options`. `resize` fits the images: to "variant", its size
    and colours, to "64" or to "48x64" (height x width). `noise`, such as "gaussian:0.3", is put on
    the images that go in. `beta`, `kl_warm_up` (the part of all steps in which it rises from 0) and
    `likelihood` are for variational variants.

    `validation` is how many training images, the last ones, are kept out to be looked at after each
    epoch in place of the test images. `precision` is what training multiplies in, "float32" or
    "bfloat16": see `Autoencoder`. `checkpoint_every` is a number of batches ("200") or of seconds
    ("30s"; None is 60 seconds), beside a checkpoint after each epoch.
    """

    variant: str = "conv-avgpool"
    table: Variant | None = None
    latent_dim: int | None = None
    batch_norm: bool = False
    dropout: float = 0.0
    backend: str = field(default_factory=backend.current)
    device: str = "auto"
    dataset: str = "mnist"
    data_dir: str | None = None
    resize: str | None = None
    noise: str | None = None
    beta: float = 1.0
    kl_warm_up: float = 0.0
    likelihood: str = "bernoulli"
    recipe: str = "reference"
    epochs: int
    batch_size: int
    learning_rate: float
    beta_2: float = 0.999
    warm_up: float = 0.0
    seed: int = 0
    limit: int | None = None
    validation: int = 0
    precision: str = "float32"
    checkpoint_every: str | None = None
    runs_dir: str = "runs"
    name: str | None = None

    def __post_init__(self) -> None:
        if self.table is None:
            find(self.variant)
        elif self.variant != self.table.name:
            raise UsageError(
                f"variant is {self.variant!r}, but the table's name is {self.table.name!r}; give one of the two"
            )
        if self.table is not None:
            self.table.check_trainable()
        if self.latent_dim is not None:
            _integer("latent_dim", self.latent_dim, 1)
            if self.latent_dim > LARGEST:
                raise UsageError(f"latent_dim is {self.latent_dim}; give at most {LARGEST:,}")
        if not isinstance(self.batch_norm, bool):
            raise UsageError(f"batch_norm is {self.batch_norm!r}; give true or false")
        _number("dropout", self.dropout, "from 0 to below 1", lambda rate: 0 <= rate < 1)
        if self.noise is not None:
            corruption(self.noise)
        _number("beta", self.beta, "from 0 up", lambda beta: 0 <= beta < math.inf)
        _number(
            "kl_warm_up", self.kl_warm_up, "from 0 to 1: a part of all steps", lambda part: 0 <= part <= 1
        )
        _one_of("likelihood", self.likelihood, LIKELIHOODS)
        if not (self.table or find(self.variant)).variational:
            for setting, default in (("beta", 1.0), ("kl_warm_up", 0.0), ("likelihood", "bernoulli")):
                if getattr(self, setting) != default:
                    raise UsageError(
                        f"{setting} is for variational variants, such as vae-conv; {self.variant} is none"
                    )
        if self.resize is not None:
            size_of(self.resize)
        _one_of("backend", self.backend, backend.BACKENDS)
        _one_of("device", self.device, backend.DEVICES)
        _one_of("recipe", self.recipe, RECIPES)
        for setting in ("dataset", "runs_dir", "data_dir", "name"):
            if not isinstance(value := getattr(self, setting), str | None) or value == "":
                raise UsageError(f"{setting} is {value!r}; give text")
            if value and not value.isprintable():
                raise UsageError(
                    f"{setting} is {value!r}, which holds characters that cannot be written down; choose another name"
                )
        _one_of("precision", self.precision, PRECISIONS)
        if self.checkpoint_every is not None and not (
            isinstance(self.checkpoint_every, str) and re.fullmatch(r"[1-9]\d{0,8}s?", self.checkpoint_every)
        ):
            raise UsageError(
                f"checkpoint_every is {self.checkpoint_every!r}; give a number of batches (200) or of seconds (30s)"
            )
        _integer("epochs", self.epochs, 1)
        _integer("batch_size", self.batch_size, 1)
        _integer("seed", self.seed, 0)
        if self.limit is not None:
            _integer("limit", self.limit, 1)
        _integer("validation", self.validation, 0)
        _number(
            "learning_rate", self.learning_rate, "above 0, such as 0.001", lambda rate: 0 < rate < math.inf
        )
        _number("beta_2", self.beta_2, "from 0 to below 1", lambda beta: 0 <= beta < 1)
        _number("warm_up", self.warm_up, "from 0 to below 1: a part of all steps", lambda part: 0 <= part < 1)
        if self.name is not None and (
            not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", self.name) or self.name == "latest"
        ):
            raise UsageError(
                f"name is {self.name!r}; use letters, digits, '.', '_' and '-', and not 'latest'"
            )

    def to_toml(self) -> str:
        """The settings that make the result, as TOML that `kae train --config` takes; where the run
        lies is not among them.
        """
        settings = {
            key: value
            for key, value in vars(self).items()
            if value is not None and key not in {"runs_dir", "name", "table"}
        }
        lines = "".join(
            f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in settings.items()
        )
        return lines + (f"\n[table]\n{toml.to_toml(self.table)}" if self.table else "")

    @property
    def fit(self) -> Fit | None:
        """What the images are made to fit."""
        if self.resize is None:
            return None
        size = size_of(self.resize)
        if size:
            return Fit(*size)
        channels, height, width = (self.table or find(self.variant)).image
        return Fit(height, width, channels)

    def architecture(self, image: Shape) -> Variant:
        """The variant to train on images of that shape (channels, height, width). Raises
        `UsageError` where there is none.
        """
        variant = self.table or (
            FAMILIES[self.variant](image) if self.variant in FAMILIES else find(self.variant)
        )
        if self.latent_dim is not None:
            variant = transforms.latent_size(variant, self.latent_dim)
        variant = transforms.batch_norm(variant) if self.batch_norm else variant
        return transforms.dropout(variant, self.dropout) if self.dropout else variant


def configure(file: Path | None = None, **flags: Any) -> TrainConfig:
    """Defaults, then the TOML file, then the flags that are not None; the variant's recipe where
    none of them speaks.

    A relative `data_dir` becomes absolute. The recipe's values that a file has written down count
    as the file's.

    Raises `UsageError` for an unknown setting, an unreadable file, or a value that cannot be used.
    """
    settings = {
        **(read(file) if file else {}),
        **{key: _plain(value) for key, value in flags.items() if value is not None},
    }
    _known(settings, "the call")
    if isinstance(settings.get("data_dir"), str):
        settings["data_dir"] = str(
            Path(settings["data_dir"]).expanduser().absolute()
        )  # the run may be read from another folder
    if isinstance(settings.get("dataset"), str) and user_files.is_path(settings["dataset"]):
        settings["dataset"] = str(Path(settings["dataset"]).expanduser().absolute())
    for setting in ("checkpoint_every", "resize"):
        if type(settings.get(setting)) is int:
            settings[setting] = str(settings[setting])
    table = settings.get("table")
    if table is not None and not isinstance(table, Variant):
        table = settings["table"] = (
            toml.parse(table) if isinstance(table, dict) else toml.read(Path(str(table)))
        )
        settings.setdefault("variant", table.name)
    variant = table or find(settings.get("variant", TrainConfig.variant))
    return TrainConfig(
        **{
            "variant": variant.name,
            **asdict(recipes.find(variant, settings.get("recipe", TrainConfig.recipe))),
            **settings,
        }
    )


def size_of(resize: str) -> tuple[int, int] | None:
    """Height and width of "64" or "48x64"; None for "variant". Raises `UsageError`."""
    if resize == "variant":
        return None
    match = re.fullmatch(r"(\d{1,4})(?:x(\d{1,4}))?", resize) if isinstance(resize, str) else None
    if not match or not all(1 <= int(side) <= 1024 for side in match.groups() if side):
        raise UsageError(f"resize is {resize!r}; give SIZE or HEIGHTxWIDTH, such as 64 or 48x64, or variant")
    return int(match[1]), int(match[2] or match[1])


def read(file: Path) -> dict[str, Any]:
    """The settings in a TOML file. Raises `UsageError`."""
    try:
        settings = read_toml(file)
    except (OSError, ValueError) as error:
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
            raise UsageError(
                f"unknown setting {key!r} in {where}; did you mean {near!r}?\nThe settings: {', '.join(names)}."
            )


def _one_of(setting: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UsageError(f"{setting} is {value!r}; use one of {', '.join(allowed)}")


def _number(setting: str, value: Any, wanted: str, allowed: Callable[[float], bool]) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not allowed(value):
        raise UsageError(f"{setting} is {value!r}; give a number {wanted}")


def _integer(setting: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise UsageError(f"{setting} is {value!r}; give a whole number from {least} up")
    if value > LARGEST_INTEGER:
        raise UsageError(f"{setting} is too large; give at most {LARGEST_INTEGER:,}")
