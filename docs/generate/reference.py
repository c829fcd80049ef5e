"""The reference pages: public names, settings, layers, variants, metrics and commands."""

import json
from collections.abc import Iterator
from dataclasses import MISSING, fields
from importlib import import_module, util
from typing import Any

from .records import table

PUBLIC_MODULES = {
    "keras_mnist_ae": "The package: what most programs need.",
    "keras_mnist_ae.datasets": "Image sets as arrays.",
    "keras_mnist_ae.architecture": "The rows of a table.",
    "keras_mnist_ae.export.runtime": "Exported graphs; needs numpy and onnxruntime alone.",
    "keras_mnist_ae.errors": "The exceptions, one for each exit code of the command line.",
}
CONSTANTS = ("__version__", "text")  # a version and a helper for printing; nothing to explain


def public_names() -> Iterator[tuple[str, str]]:
    """Module and name of everything that the API page documents."""
    for module_name in PUBLIC_MODULES:
        module = import_module(module_name)
        own = [name for name, value in vars(module).items() if _is_own(value, module_name, name)]
        for name in getattr(module, "__all__", sorted(own)):
            if name not in CONSTANTS:
                yield module_name, name


def _is_own(value: object, module: str, name: str) -> bool:
    return not name.startswith("_") and getattr(value, "__module__", None) == module and callable(value)


def api() -> str:
    """A heading for each public module, and a mkdocstrings entry for each name."""
    lines = []
    for module, summary in PUBLIC_MODULES.items():
        lines += [f"## {module}", summary]
        lines += [f"::: {module}.{name}" for owner, name in public_names() if owner == module]
    return "\n\n".join(lines)


def settings() -> str:
    """The settings table of keras_mnist_ae/runs/settings.py, a section for each group."""
    if util.find_spec("keras_mnist_ae.runs.settings") is None:
        return "The settings are described by `kae train --help`."
    literal = import_module("keras_mnist_ae.runs.settings").SETTINGS
    sections = []
    for group in dict.fromkeys(setting.group for setting in literal.values()):
        rows = [
            [f"`{name}`", _default(setting), _cell(setting.rule.words), _cell(setting.help)]
            for name, setting in literal.items()
            if setting.group == group
        ]
        sections.append(f"## {group}\n\n{table(['setting', 'default', 'range', 'what it does'], rows)}")
    return "\n\n".join(sections)


def _default(setting: Any) -> str:
    """The default of a setting in words, else its value."""
    if setting.default or callable(setting.value):
        return _cell(setting.default)
    return "none" if setting.value is None else f"`{json.dumps(setting.value)}`"


def metrics() -> str:
    """The METRICS table of keras_mnist_ae/analysis/metrics.py."""
    literal = getattr(import_module("keras_mnist_ae.analysis.metrics"), "METRICS", None)
    if literal is None:
        return "The metrics are described on the page of results."
    rows = [[f"`{metric.key}`", metric.label, _cell(metric.meaning)] for metric in literal]
    return table(["key", "name", "meaning"], rows)


def _cell(text: str) -> str:
    """A text as the cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


def variants() -> str:
    """Every variant as `kae models NAME` prints it."""
    from keras_mnist_ae.architecture.variants import VARIANTS

    return "\n\n".join(f"## {name}\n\n```\n{kae('models', name)}\n```" for name in VARIANTS)


def commands() -> str:
    """The help of every command."""
    from keras_mnist_ae.cli.main import kae as group

    pages = [f"```\n{kae('--help')}\n```"]
    for name in sorted(group.commands):
        subcommands = sorted(getattr(group.commands[name], "commands", {}))
        for words in [(name,), *((name, subcommand) for subcommand in subcommands)]:
            pages.append(f"## kae {' '.join(words)}\n\n```\n{kae(*words, '--help')}\n```")
    return "\n\n".join(pages)


def kae(*arguments: str) -> str:
    """What the command prints."""
    from click.testing import CliRunner

    from keras_mnist_ae.cli.main import kae as group

    result = CliRunner().invoke(group, arguments, prog_name="kae", terminal_width=100, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.rstrip()


def layers() -> str:
    """Every row kind, its settings and what it does."""
    from keras_mnist_ae.architecture.layers import LAYERS

    rows = []
    for kind in LAYERS:
        defaults = {field.name: field.default for field in fields(kind)}
        settings = [
            name if default is MISSING else f"{name} = {json.dumps(default)}"
            for name, default in defaults.items()
        ]
        rows.append([kind.__name__, ", ".join(settings), _cell(kind.__doc__ or "")])
    return table(["layer", "settings", "what it does"], rows)
