"""What several test files use."""

import signal
import subprocess

import pytest


def some(names, *quick):
    """Parameters of a test: the quick ones always, the others with --full."""
    return [pytest.param(n, marks=[] if n in quick else pytest.mark.slow) for n in sorted(names)]


def quick_elsewhere(names, *quick):
    """Parameters of a test that compiles much: the quick ones on every backend, the others with
    torch, and with --full on all.
    """
    slow = pytest.mark.slow("tensorflow", "jax")
    return [pytest.param(name, marks=[] if name in quick else slow) for name in names]


def unknown_words(words):
    """What `kae` does not know of a command: a sub-command or an option."""
    import click

    from keras_mnist_ae.cli.main import kae

    group, rest = kae, words[1:]
    while isinstance(group, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name not in group.commands:
            return [] if name.isupper() else [name]
        group = group.commands[name]
    taking = [group, *getattr(group, "commands", {}).values()]  # a group may have a command of its own
    options = {option for each in taking for parameter in each.params for option in parameter.opts}
    options |= {"--help", "-h", "--debug"}
    return [word for word in rest if word.startswith("--") and word.split("=")[0] not in options]


def interrupted(command, line):
    """Send SIGINT to a command once it has said a line that begins so; its exit code."""
    with subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True) as process:
        for said in process.stderr:
            if said.startswith(line):
                process.send_signal(signal.SIGINT)
                break
        process.stderr.read()
    return process.returncode
