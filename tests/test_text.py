"""Names from files and users on a terminal, in JSON and in pictures."""

import json
import os
import threading

import numpy as np
import pytest
from click.testing import CliRunner

from keras_mnist_ae.analysis import plots
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.cli.options import echo_json
from keras_mnist_ae.errors import message, shown
from keras_mnist_ae.system.reading import read_json, read_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("Käse 猫 🐈\u200d⬛", "Käse 猫 🐈\u200d⬛"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\rb\tc", "a\\rb\\tc"),
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),
        ("caf\udce9", "caf\\udce9"),
    ],
)
def test_control_characters_are_escaped_and_letters_are_not(text, expected):
    assert shown(text) == expected


def test_messages_are_bounded():
    assert len(message("x" * 10**6)) == 1200
    assert len(message("line\n" * 100).splitlines()) == 6


def test_names_reach_a_terminal_escaped():
    done = CliRunner().invoke(kae, ["train", "--dataset", "x\x1b]0;title\x07"])
    assert done.exit_code == 2
    assert "\x1b" not in done.stderr


def test_json_has_null_for_what_is_no_number(capsys):
    echo_json({"a": [float("nan"), 1.5, {"b": float("inf")}]})
    assert json.loads(capsys.readouterr().out) == {"a": [None, 1.5, {"b": None}]}


@pytest.mark.parametrize("name", ["$\\frac$", "$\\left($", "a_{b", "%"])
def test_names_in_pictures_are_never_parsed(name, tmp_path):
    images = np.zeros((2, 4, 4, 1))
    plots.save(plots.strips([(name, images)], heads=(name, name), title=name), tmp_path / "a.png")
    points, labels = np.zeros((3, 2)), np.array([0, 1, 1])
    figure = plots.latent_map(points, labels, (name, "b"), ("x", "y"), name)
    plots.save(figure, tmp_path / "b.png")


def test_style_is_ours_whatever_the_users_settings(monkeypatch):
    import matplotlib

    with matplotlib.rc_context({"text.usetex": True, "axes.facecolor": "red"}):
        figure = plots.heat_map(np.zeros((4, 4)), "x")
    assert figure.axes[0].get_facecolor()[:3] != (1.0, 0.0, 0.0)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    results = []

    def read():
        with pytest.raises(ValueError, match="no regular file"):
            read_json(tmp_path / "pipe")
        results.append(True)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(10)
    assert results, "it waits for a writer"


def test_devices_and_folders_are_no_files(tmp_path):
    with pytest.raises((ValueError, OSError)):
        read_text(tmp_path)
    if type(tmp_path)("/dev/zero").exists():
        with pytest.raises(ValueError, match="no regular file"):
            read_text(type(tmp_path)("/dev/zero"))
