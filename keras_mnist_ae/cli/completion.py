"""kae completion, and the names that a shell completes: runs, variants, datasets."""

from pathlib import Path

import click
from click.shell_completion import CompletionItem, get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script by which SHELL completes commands, options and names.

    bash: add eval "$(kae completion bash)" to ~/.bashrc; zsh: the same with zsh to ~/.zshrc;
    fish: kae completion fish > ~/.config/fish/completions/kae.fish
    """
    script = get_completion_class(shell)
    assert script is not None
    root = click.get_current_context().find_root().command
    click.echo(script(root, {}, "kae", "_KAE_COMPLETE").source())


def run_names(ctx: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """The runs in the runs folder of the command, or in the default one."""
    folder = ctx.params.get("runs_dir") or Path("runs")
    names = sorted(path.parent.name for path in Path(folder).glob("*/config.toml"))
    return [CompletionItem(name) for name in names if name.startswith(start)]


def variant_names(ctx: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """The variants of the package."""
    from ..architecture.variants import VARIANTS

    return [CompletionItem(name) for name in VARIANTS if name.startswith(start)]


def dataset_names(ctx: click.Context, parameter: click.Parameter, start: str) -> list[CompletionItem]:
    """The datasets known by name; the shell itself completes paths after "./"."""
    from ..datasets import available

    names = [record.name for record in available() if record.name.islower()]
    return [CompletionItem(name) for name in names if name.startswith(start)]
