"""What a sweep is told: a TOML file of settings that all trainings share, and either a grid of
others or ranges to search.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from ..architecture.variants import find
from ..errors import UsageError
from ..runs.config import check_names, configure
from ..system.hints import did_you_mean
from ..system.reading import read_toml

TABLES = ("settings", "grid", "search")
PRUNERS = ("median", "none")
KEYS = ("low", "high", "log", "step")
LARGEST = 10_000  # trainings


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones where both are whole."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class Plan:
    """The trainings of a sweep.

    Attributes:
        settings: what all of them share, as in a run's config.toml.
        space: the others: values to choose from, or a range, by name.
        trials: how many trainings.
        exhaustive: whether they are all combinations of `space`, else a search.
        pruner: "median" or "none".
    """

    settings: dict[str, Any]
    space: dict[str, list[Any] | Range]
    trials: int
    exhaustive: bool
    pruner: str

    def cells(self) -> Iterator[dict[str, Any]]:
        """All combinations of a grid."""
        for values in product(*map(_listed, self.space.values())):
            yield dict(zip(self.space, values, strict=True))

    def identity(self) -> str:
        """The sweep as text: the same for the same trainings, however many of a search are made."""
        space = {
            name: [values.low, values.high, values.log, values.step, "range"]
            if isinstance(values, Range)
            else values
            for name, values in self.space.items()
        }
        return json.dumps([self.settings, space, self.exhaustive], sort_keys=True)


def _listed(values: list[Any] | Range) -> list[Any]:
    return [values.low, values.high] if isinstance(values, Range) else values


def read_plan(file: Path) -> Plan:
    """The plan in a TOML file, each setting checked before anything is trained.

    Raises:
        UsageError: The file cannot be read, or says what no training can take.
    """
    try:
        content = read_toml(file)
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read the sweep {file}: {error}") from error
    return plan_of(content, str(file))


def plan_of(content: Mapping[str, Any], file: str = "the plan") -> Plan:
    """The plan in the content of such a file.

    Raises:
        UsageError: It says what no training can take.
    """
    for name, table in content.items():
        if name not in TABLES or not isinstance(table, dict):
            raise UsageError(f"{name!r} in {file} is none of the tables [settings], [grid] and [search]")
    settings, grid, search = (dict(content.get(name, {})) for name in TABLES)
    if bool(grid) == bool(search):
        raise UsageError(f"{file} needs one of the tables [grid] and [search]")
    if not settings.get("validation"):
        raise UsageError(
            f"{file} keeps no images out of training to choose by, and the test images must not choose.\n"
            "Give validation = N in [settings], of a set with a validation split as many as it has."
        )
    plan = _searched(settings, search) if search else _exhaustive(settings, grid)
    check_names({**settings, **plan.space}, file)
    if both := settings.keys() & plan.space.keys():
        raise UsageError(f"{min(both)} stands in [settings] and in [{'search' if search else 'grid'}]")
    for name in {"runs_dir", "name"} & {*settings, *plan.space} | {"validation"} & plan.space.keys():
        raise UsageError(f"a sweep takes no {name} there: it names its runs and compares them itself")
    cells = plan.cells() if plan.exhaustive else _ends(plan)
    configs = [configure(**{**settings, **cell}) for cell in cells]
    if len({(each.table or find(each.variant)).variational for each in configs}) > 1:
        raise UsageError(
            "the loss of a variational variant is in nats, that of the others the mean squared error.\n"
            "They do not compare: sweep them apart."
        )
    return plan


def _exhaustive(settings: dict[str, Any], grid: dict[str, Any]) -> Plan:
    trials = 1
    for name, values in grid.items():
        if not _different(values):
            raise UsageError(f"[grid] {name} is {values!r}; give a list of different values, such as [1, 2]")
        trials *= len(values)
    _check_trials(trials)
    return Plan(settings, grid, trials, exhaustive=True, pruner="none")


def _searched(settings: dict[str, Any], search: dict[str, Any]) -> Plan:
    trials, pruner = search.pop("trials", None), search.pop("pruner", "median")
    if type(trials) is not int or trials < 1:
        raise UsageError(f"[search] needs trials = N, the number of trainings; it is {trials!r}")
    _check_trials(trials)
    if pruner not in PRUNERS:
        raise UsageError(f"[search] pruner is {pruner!r}; use one of {', '.join(PRUNERS)}")
    if not search:
        raise UsageError("[search] names no setting to search, such as latent_dim = [16, 32]")
    space = {name: _values(name, each) for name, each in search.items()}
    return Plan(settings, space, trials, exhaustive=False, pruner=pruner)


def _values(name: str, value: Any) -> list[Any] | Range:
    match value:
        case list() if _different(value):
            return list(value)
        case {"low": low, "high": high} if _number(low) and _number(high):
            for key in value:
                if key not in KEYS:
                    raise UsageError(f"[search] {name} has an unknown {key!r}{did_you_mean(key, KEYS)}")
            log, step = value.get("log", False), value.get("step")
            right = isinstance(log, bool) and (step is None or (_number(step) and step > 0))
            if not right or not low < high or (log and (low <= 0 or step is not None)):
                raise UsageError(
                    f"[search] {name} is {value!r}; low lies below high, a step is above 0, and with "
                    "log = true low is above 0 and there is no step"
                )
            return Range(low, high, log, step)
        case _:
            raise UsageError(
                f"[search] {name} is {value!r}; give different values, such as [16, 32], or a range, "
                "such as { low = 1e-4, high = 1e-2, log = true }"
            )


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _different(values: Any) -> bool:
    """Whether it is a list of different plain values, at least one."""
    return (
        isinstance(values, list)
        and len(values) > 0
        and all(isinstance(value, str | int | float | bool) for value in values)
        and len({json.dumps(value) for value in values}) == len(values)
    )


def _check_trials(trials: int) -> None:
    if trials > LARGEST:
        raise UsageError(f"{trials:,} trainings are more than a sweep takes ({LARGEST:,})")


def _ends(plan: Plan) -> Iterator[dict[str, Any]]:
    """Each value beside the first of the others: what no training can take is told at once."""
    ends = {name: _listed(values) for name, values in plan.space.items()}
    first = {name: values[0] for name, values in ends.items()}
    for name, values in ends.items():
        for value in values:
            yield {**first, name: value}
