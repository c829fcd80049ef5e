"""The `kae` command: its groups, and how a failure ends."""

import traceback
from typing import Any

import click

from .. import __version__
from ..errors import (
    KaeError,
    LostProcessError,
    MissingDependencyError,
    UsageError,
    WriteError,
    at_command_line,
    reason,
)
from ..errors import message as bounded
from ..system import signals
from ..system.group import joined
from ..system.progress import shown_by
from .bench import bench
from .cluster import cluster
from .compare import compare
from .completion import completion
from .data import data
from .demo import demo
from .evaluate import evaluate
from .explore import explore
from .export import export, validate
from .infer import infer
from .latent import generate, interpolate, latent
from .models import models
from .options import echo
from .progress import progress
from .publish import publish
from .report import figures, report
from .reproduce import reproduce
from .runs import runs
from .score import calibrate, score
from .size import size
from .sweep import sweep
from .train import finish, resume, train

PACKAGES = {  # where the name to install is not that of the module
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "tensorflow_datasets": "tensorflow-datasets",
    "umap": "umap-learn",
}


class Commands(click.Group):
    """A group whose commands end as the contract says: a message of a few lines on stderr and an
    exit code, no traceback.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["debug"] = "--debug" in args  # wherever on the line it stands
        return super().parse_args(ctx, [arg for arg in args if arg != "--debug"])

    def invoke(self, ctx: click.Context) -> Any:
        with at_command_line(), shown_by(progress):
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            signals.check()
            return result
        except (click.exceptions.Exit, click.ClickException, BrokenPipeError):
            raise
        except (Exception, KeyboardInterrupt, signals.Interrupted) as error:
            if ctx.meta["debug"]:
                traceback.print_exc()
            message, code = _ending(error)
            group = joined()
            if group is None or group.may_speak():
                echo(f"kae: {bounded(message)}", err=True)
            ctx.exit(code)


def _ending(error: BaseException) -> tuple[str, int]:
    """Message and exit code. A signal goes first: libraries wrap whatever is raised in them."""
    if (interrupted := signals.pending()) and not isinstance(error, LostProcessError):
        return str(interrupted), interrupted.exit_code
    match error:
        case KaeError():
            return str(error), error.exit_code
        case KeyboardInterrupt():
            return "interrupted", 130
        case ModuleNotFoundError(name=str(name)) if not name.startswith("keras_mnist_ae"):
            module = name.partition(".")[0]
            package = PACKAGES.get(module, module)
            return (
                f"the package {package!r} is not installed.\nInstall it: pip install {package}",
                MissingDependencyError.exit_code,
            )
        case Warning():
            return (
                f"a warning was made an error: {type(error).__name__}: {reason(error, 200)}\n"
                "Warnings of the libraries are no failures: unset PYTHONWARNINGS, and give python no -W.",
                UsageError.exit_code,
            )
        case MemoryError():
            return f"out of memory: {error}\nA smaller --batch-size or --limit needs less.", 1
        case OSError() if error.errno == 28 and error.filename is None:
            return "cannot write the output: no space left", WriteError.exit_code
        case OSError(strerror=str(why), filename=str(name)):
            return f"cannot use {name}: {why}", UsageError.exit_code
        case OSError():
            return f"the system refused: {error.strerror or error}", UsageError.exit_code
        case _:
            return (
                f"unexpected {type(error).__name__}: {reason(error)}\n"
                "This is a bug; --debug shows where it happened.",
                1,
            )


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of a failure.")
@click.version_option(__version__, message="%(prog)s %(version)s")
@click.pass_context
def kae(ctx: click.Context) -> None:
    """Image autoencoders: train with Keras on torch, TensorFlow or JAX, and look at what they
    learned.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for command in (
    *(models, data, train, resume, finish, runs, size, sweep),
    *(evaluate, latent, cluster, generate, interpolate, figures, report, explore),
    *(calibrate, score),
    *(reproduce, compare),
    *(export, validate, publish, infer, bench, demo, completion),
):
    kae.add_command(command)
