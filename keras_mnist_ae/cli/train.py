"""kae train and kae resume."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..runs.rules import Setting
from ..runs.settings import SETTINGS
from ..system import devices
from ..system import processes as of_launcher
from ..system.hints import counted
from . import announce
from .completion import dataset_names, variant_names
from .options import as_json, data_dir, echo, echo_json, run, runs_dir

SHARED = {"data_dir": data_dir, "runs_dir": runs_dir}  # options of other commands too


class GroupedOptions(click.Command):
    """A command whose help lists the options by the groups of the settings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                row = SETTINGS.get(str(parameter.name))
                groups.setdefault(row.group if row else "Other options", []).append(record)
        for group, records in groups.items():
            with formatter.section(group):
                formatter.write_dl(records)


def option(name: str, row: Setting) -> Callable[[Any], Any]:
    """The option of a setting; its default is None, so that a config file may speak."""
    default = row.default or ("" if row.value is None or isinstance(row.value, bool) else str(row.value))
    shown = f"  [default: {default}]" if default else ""
    extra: dict[str, Any] = {"type": row.rule.type}
    flag = f"--{name.replace('_', '-')}"
    if row.rule.type is bool:
        extra = {"is_flag": True}
        flag = f"{flag}/--no-{name}" if row.value else flag
    elif name == "resize":
        extra = {"is_flag": False, "flag_value": "variant", "metavar": "[SIZE|HxW]"}
    elif name == "dataset":
        extra = {"shell_complete": dataset_names}
    return click.option(flag, name, default=None, help=row.help + shown, **extra)


def settings(command: Any) -> Any:
    """Every setting as an option, but the variant, which is an argument."""
    for name, row in reversed(SETTINGS.items()):
        if name != "variant":
            decorate: Any = SHARED.get(name) or option(name, row)
            command = decorate(command)
    return command


def _count(context: click.Context, parameter: click.Parameter, value: str | None) -> int | str | None:
    if value in (None, "auto"):
        return value
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"{value!r} is neither a number from 1 nor auto.")
    return int(value)


processes = click.option(
    "--processes",
    metavar="N|auto",
    callback=_count,
    help="Train in N processes of this machine together on torch, on N devices on JAX; auto takes one for "
    "each CUDA card.  [default: 1]",
)


def in_processes(count: int | str | None, backend: str, device: str) -> None:
    """Go on in so many processes: this one starts them, waits for them and ends as they do. On JAX
    it is this process that goes on, with so many devices.
    """
    there = of_launcher.count()
    if count == "auto" and there == 1:
        from ..system.launch import fitting

        count = fitting(backend, device)
    elif count == "auto":
        count = there
    if there > 1 and count not in (None, there):
        raise click.UsageError(f"a launcher has started {there} processes already; leave out --processes.")
    if there > 1 or count in (None, 1):
        return
    if backend == "jax":
        devices.ask(int(count))
        return
    of_launcher.refuse_backend(backend, int(count))
    from ..system.launch import launch

    click.get_current_context().exit(launch(sys.argv[1:], int(count)))


@click.command(cls=GroupedOptions)
@click.argument("variant", required=False, shell_complete=variant_names)
@settings
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="TOML file of settings; options go before it.",
)
@processes
@as_json
def train(config: Path | None, processes: int | str | None, as_json: bool, **options: Any) -> None:
    """Train VARIANT (conv-avgpool unless named) and write a run folder."""
    from ..runs.config import configure
    from ..training.train import train_config

    complete = configure(config, **options)
    in_processes(processes, complete.backend, complete.device)
    announce.training(complete)
    report(train_config(complete), as_json)


@click.command()
@run
@click.option("--epochs", type=int, help="Go on beyond the end, to N epochs in all.")
@click.option("--backend", help="Another than the run's; not exact.")
@click.option(
    "--allow-inexact",
    is_flag=True,
    help="Go on even where the result cannot be that of a run that was never stopped.",
)
@processes
@runs_dir
@data_dir
@as_json
def resume(
    run: str | None,
    epochs: int | None,
    processes: int | str | None,
    backend: str | None,
    allow_inexact: bool,
    runs_dir: Path,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Go on with RUN (the latest unless named) where it stopped: after a kill, an interruption, a
    full disk.

    The result is bit for bit that of a run that was never stopped, on the same backend, versions
    and processor.
    """
    from ..runs.runs_dir import find
    from ..training.resume import resume

    stopped = find(run, runs_dir)
    in_processes(processes, backend or stopped.config.backend, stopped.config.device)
    if stopped.finished and epochs is None:
        echo(f"run {stopped.path} is finished; to go on beyond its end: --epochs N", err=True)
    announce.of_run(stopped, "resume")
    resumed = resume(stopped, epochs=epochs, data_dir=data_dir, backend_name=backend, inexact=allow_inexact)
    report(resumed, as_json)


@click.command()
@run
@runs_dir
@data_dir
@as_json
def finish(run: str | None, runs_dir: Path, data_dir: Path | None, as_json: bool) -> None:
    """End the interrupted RUN (the latest unless named) as its newest checkpoint has it, with the
    whole epochs that it has had.
    """
    from ..runs.runs_dir import find
    from ..training.resume import conclude

    chosen = find(run, runs_dir)
    announce.of_run(chosen, "finish")
    report(conclude(chosen, data_dir=data_dir), as_json)


def report(run: Any, as_json: bool) -> None:
    """What a finished run achieved."""
    if not of_launcher.is_first():
        return
    history = run.history
    seconds = round(sum(history["seconds"]), 3)
    if as_json:
        echo_json(
            {
                "run": str(run.path),
                "variant": run.config.variant,
                "backend": run.config.backend,
                "epochs": len(history["loss"]),
                "history": {"loss": history["loss"], "val_loss": history["val_loss"]},
                "metrics": {name: run.metrics[name] for name in ("train_mse", "test_mse")},
                "seconds": seconds,
            }
        )
        return
    echo(f"train MSE  {run.metrics['train_mse']:.5f}")
    echo(f"test MSE   {run.metrics['test_mse']:.5f}")
    echo(f"trained    {counted(len(history['loss']), 'epoch')} in {seconds:.1f} s")
    echo(f"run        {run.path}")
    echo(f"figure     {run.figure('reconstructions')}")
    for sentence in run.verdict:
        echo(f"verdict    {sentence}")
