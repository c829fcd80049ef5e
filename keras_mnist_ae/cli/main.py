"""The `kae` command: its groups, and how a failure ends."""

import signal
from types import FrameType
from typing import Any

import click

from .. import __version__
from ..errors import Interrupted, KaeError
from .data import data
from .demo import demo
from .evaluate import evaluate
from .export import export, validate
from .infer import infer
from .models import models
from .runs import runs
from .train import train


class Commands(click.Group):
    """A group whose commands end as the contract says: a message of a few lines on stderr and an exit code, no traceback."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["debug"] = "--debug" in args  # wherever on the line it stands
        return super().parse_args(ctx, [arg for arg in args if arg != "--debug"])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, BrokenPipeError):
            raise
        except BaseException as error:
            if ctx.meta["debug"]:
                raise
            match error:
                case KaeError():
                    message, code = str(error), error.exit_code
                case KeyboardInterrupt():
                    message, code = "interrupted", Interrupted.exit_code
                case MemoryError():
                    message, code = f"out of memory: {error}\nA smaller --batch-size or --limit needs less.", 1
                case Exception():
                    message, code = f"unexpected {type(error).__name__}: {error}\nThis is a bug; --debug shows where it happened.", 1
                case _:
                    raise
            click.echo(f"kae: {message}", err=True)
            ctx.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of a failure.")
@click.version_option(__version__, message="%(prog)s %(version)s")
def kae() -> None:
    """Image autoencoders: train with Keras on torch, TensorFlow or JAX, and look at what they learned."""


for command in (models, data, train, runs, evaluate, export, validate, infer, demo):
    kae.add_command(command)


def main() -> None:
    """The entry point of the `kae` command."""
    signal.signal(signal.SIGTERM, _terminated)
    kae(prog_name="kae")


def _terminated(number: int, frame: FrameType | None) -> None:
    raise Interrupted("terminated", 128 + number)
