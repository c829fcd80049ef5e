"""What a training run is told: defaults, then a TOML file, then keyword arguments or options."""

import json
import numbers
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..architecture import recipes, toml, transforms
from ..architecture.families import FAMILIES
from ..architecture.shapes import Shape
from ..architecture.variant import Variant
from ..architecture.variants import find
from ..datasets import user_files
from ..datasets.reading import Fit, Reading, arrays_of, range_of, shape_of
from ..errors import UsageError
from ..system.hints import did_you_mean
from ..system.reading import read_toml
from .parse import size_of
from .settings import SETTINGS, Settings


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Settings):
    """The settings of one run, which `kae.train` takes as keyword arguments.

    Each is described in the table of settings in the reference, and by `kae train --help`.
    `configure` fills in the variant's `recipe` where a setting of it is not given.

    `given` holds the names of those that were given; the others are defaults.

    Raises:
        UsageError: A value cannot be used; the message names the setting, the value and what is
            allowed.
    """

    given: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.table is None:
            find(self.variant)
        elif self.variant != self.table.name:
            raise UsageError(
                f"variant is {self.variant!r}, but the table's name is {self.table.name!r}; "
                "give one of the two"
            )
        super().__post_init__()
        if not (self.table or find(self.variant)).variational:
            for name, row in SETTINGS.items():
                if row.variational and getattr(self, name) != row.value:
                    raise UsageError(
                        f"{name} is for variational variants, such as vae-conv; {self.variant} is none"
                    )

    def items(self) -> list[tuple[str, Any]]:
        """Names and values of the settings that make the result, but for the table."""
        return [
            (name, getattr(self, name))
            for name, row in SETTINGS.items()
            if not row.personal and name != "table"
        ]

    def to_toml(self) -> str:
        """The settings that make the result, as TOML that `kae train --config` takes; where the run
        lies is not among them.
        """
        lines = (
            f"{name} = {json.dumps(value, ensure_ascii=False)}\n"
            for name, value in self.items()
            if value is not None
        )
        return "".join(lines) + (f"\n[table]\n{toml.to_toml(self.table)}" if self.table else "")

    @property
    def reading(self) -> Reading:
        """How the images are read: their size, range and layout."""
        return Reading(
            size=self._size(),
            mode=self.fit,
            value_range=range_of(self.range) if self.range else None,
            invert=self.invert,
            image_shape=shape_of(self.image_shape) if self.image_shape else None,
            arrays=arrays_of(self.arrays) if self.arrays else (),
        )

    def _size(self) -> Fit | None:
        if self.resize is None:
            return None
        if size := size_of(self.resize):
            return Fit(*size)
        channels, height, width = (self.table or find(self.variant)).image
        return Fit(height, width, channels)

    def architecture(self, image: Shape) -> Variant:
        """The variant to train on images of that shape (channels, height, width). Raises
        `UsageError` where there is none.
        """
        variant = self.table or find(self.variant, image if self.variant in FAMILIES else None)
        return transforms.adapted(variant, self.latent_dim, self.batch_norm, self.dropout)


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
    check_names(settings, "the call")
    if isinstance(settings.get("data_dir"), str):
        settings["data_dir"] = str(
            Path(settings["data_dir"]).expanduser().absolute()
        )  # the run may be read from another folder
    paths = ["dataset", "target"] if user_files.is_path(str(settings.get("dataset", ""))) else []
    for setting in paths:
        if isinstance(settings.get(setting), str):
            settings[setting] = str(Path(settings[setting]).expanduser().absolute())
    for setting in ("checkpoint_every", "resize", "classes"):
        if type(settings.get(setting)) is int:
            settings[setting] = str(settings[setting])
    for setting, between in (("range", ":"), ("image_shape", "x")):
        if isinstance(settings.get(setting), tuple | list):
            settings[setting] = between.join(map(str, settings[setting]))
    if flags.get("fit") not in (None, TrainConfig.fit) and settings.get("resize") is None:
        raise UsageError(f"fit is {flags['fit']!r}, but nothing is resized: add --resize")
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
            "given": frozenset(settings),
        }
    )


def read(file: Path) -> dict[str, Any]:
    """The settings in a TOML file. Raises `UsageError`."""
    try:
        settings = read_toml(file)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the config file {file}: {error}") from error
    check_names(settings, str(file))
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


def check_names(settings: Mapping[str, Any], where: str) -> None:
    """Raises `UsageError` for a setting that there is not; `where` says where it was given."""
    names = list(SETTINGS)
    for key in settings:
        if key not in names:
            raise UsageError(
                f"unknown setting {key!r} in {where}{did_you_mean(key, names, cutoff=0.0)}\n"
                f"The settings: {', '.join(names)}."
            )
