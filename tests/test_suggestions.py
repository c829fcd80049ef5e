"""What messages suggest: every command exists with its options, and does what the message says."""

import ast
import re
import shlex
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support import unknown_words

import keras_mnist_ae
from keras_mnist_ae import Run, errors
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.system import signals

PACKAGE = Path(keras_mnist_ae.__file__).parent
COMMAND = re.compile(r"kae (?!: )[a-z][^\n`;()<>\"]*")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]\b(?!-)")
ELSEWHERE = {"--help", "--aspect"}  # of click, of a style sheet


def texts(path):
    """The texts of a module that are no docstrings, with RUN in place of what is filled in."""
    tree = ast.parse(path.read_text("utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
    }
    within = {
        id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)
    } - {id(node) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else "RUN"
                for part in node.values
            )
        elif isinstance(getattr(node, "value", None), str) and id(node) not in docstrings | within:
            yield node.value


def every_text():
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name != "errors.py":  # patterns
            yield from ((path, text) for text in texts(path))


def test_commands_in_messages_exist_with_their_options():
    seen = []
    for path, text in every_text():
        for found in COMMAND.findall(text):
            words = re.split(r" and |\. ", found.rstrip(".,: "))[0].replace("'", "").split()
            assert not unknown_words(words), f"{path}: {found}"
            seen.append(words[1])
    assert {"resume", "export", "train", "data", "calibrate", "evaluate", "models", "runs"} <= set(seen)


def test_options_in_messages_are_options_of_a_command():
    known = set(ELSEWHERE)

    def collect(command):
        for parameter in command.params:
            known.update(parameter.opts, parameter.secondary_opts)
        for each in getattr(command, "commands", {}).values():
            collect(each)

    collect(kae)
    wrong = {
        (path.name, name) for path, text in every_text() for name in OPTION.findall(text) if name not in known
    }
    assert wrong == set()


def answer(line):
    """Exit code and what a command line says, on both streams."""
    done = CliRunner().invoke(kae, shlex.split(line))
    return done.exit_code, done.stdout + done.stderr


def suggested(text):
    """The commands of a message."""
    return [found.rstrip(".,: ") for found in COMMAND.findall(text)]


TRAIN = "train mlp --dataset digits --limit 40 --batch-size 20"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder of runs: one finished, and one stopped in its second epoch; and what the latter said."""
    folder = tmp_path_factory.mktemp("runs")
    code, _ = answer(f"{TRAIN} --epochs 1 --runs-dir {folder} --name done")
    assert code == 0
    told = []

    def say(line):
        told.append(line)
        if len(told) == 2:
            patched.setattr(signals, "_received", signal.SIGINT)
            raise signals.Interrupted(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("keras_mnist_ae.training.callbacks.say", say)
        patched.setattr(signals, "_remedy", "")
        code, text = answer(f"{TRAIN} --epochs 3 --runs-dir {folder} --name stopped")
    assert code == 130
    return folder, text


@pytest.fixture
def runs(trained, tmp_path):
    """A copy of that folder, and what the stopped run said, as if it lay there."""
    folder, text = trained
    shutil.copytree(folder, tmp_path / "runs")
    return tmp_path / "runs", text.replace(str(folder), str(tmp_path / "runs"))


def test_interruption_names_the_command_that_finishes_the_run(runs):
    folder, text = runs
    (command,) = suggested(text)
    assert command == f"kae resume {folder / 'stopped'}"
    assert answer(command.removeprefix("kae "))[0] == 0
    assert len(Run(folder / "stopped").history["loss"]) == 3
    assert Run(folder / "stopped").finished


@pytest.mark.parametrize("number", [0, 1])
def test_steps_on_an_unfinished_run_name_two_ways_to_finish_it(runs, number):
    stopped = runs[0] / "stopped"
    code, text = answer(f"evaluate {stopped}")
    assert code == 2
    resume, finish = suggested(text)
    assert (resume, finish) == (f"kae resume {stopped}", f"kae finish {stopped}")
    assert answer([resume, finish][number].removeprefix("kae "))[0] == 0
    assert len(Run(stopped).history["loss"]) == (3, 2)[number]
    assert answer(f"evaluate {stopped}")[0] == 0


def test_taken_name_of_a_stopped_run_can_go_on_and_of_a_finished_one_be_overwritten(runs):
    folder, _ = runs
    again = f"{TRAIN} --epochs 2 --seed 7 --runs-dir {folder} --name"
    code, text = answer(f"{again} stopped")
    assert code == 2
    assert suggested(text) == [f"kae resume {folder / 'stopped'}"]
    assert "--overwrite" in text
    code, text = answer(f"{again} done")
    assert (code, suggested(text)) == (2, [])  # there is nothing to go on with
    assert "--overwrite" in text
    (folder / "done" / "note.txt").write_text("of the old one")
    assert answer(f"{again} done --overwrite")[0] == 0
    assert Run(folder / "done").config.seed == 7
    assert not (folder / "done" / "note.txt").exists()


def test_only_a_run_that_nothing_needs_is_overwritten(runs, tmp_path):
    folder, _ = runs
    (folder / "thesis").mkdir()
    (folder / "thesis" / "chapter.txt").write_text("mine")
    again = f"{TRAIN} --epochs 1 --runs-dir {folder} --overwrite"
    for name, more, reason in (
        ("thesis", "", "is no run"),
        ("done", f"--init {folder / 'done'}", "where the weights come from"),
    ):
        code, text = answer(f"{again} --name {name} {more}")
        assert code == 2
        assert reason in text
    with Run(folder / "done").locked():
        code, text = answer(f"{again} --name done")
    assert code == 2
    assert "another process is at work" in text
    assert (folder / "thesis" / "chapter.txt").read_text() == "mine"
    assert Run(folder / "done").finished


def test_finished_run_goes_on_with_the_option_that_resume_names(runs):
    done = runs[0] / "done"
    code, text = answer(f"resume {done}")
    assert code == 0
    assert "--epochs N" in text
    assert answer(f"resume {done} --epochs 2")[0] == 0
    assert len(Run(done).history["loss"]) == 2


def test_missing_export_and_calibration_are_made_by_the_commands_named(runs, tmp_path):
    done = runs[0] / "done"
    for line, made in (
        (f"evaluate {done} --onnx", done / "onnx" / "manifest.json"),
        (f"validate {done} --precision float16", done / "onnx-float16" / "manifest.json"),
        (f"score {done} digits", done / "calibration.json"),
    ):
        code, text = answer(line)
        assert code == 2
        assert not made.exists()
        (command,) = suggested(text)
        assert answer(command.removeprefix("kae "))[0] == 0, command
        assert made.is_file()
        assert answer(line)[0] == 0


def test_unknown_run_is_among_those_that_the_command_named_lists(runs):
    code, text = answer(f"evaluate nope --runs-dir {runs[0]}")
    assert code == 2
    command = suggested(text)[0].removesuffix(" lists the runs")
    assert "done" in answer(command.removeprefix("kae "))[1]
    with errors.at_command_line():
        assert errors.worded("kae runs --runs-dir a lists") == "kae runs --runs-dir a lists"
    assert errors.worded("kae runs --runs-dir a lists") == "kae.runs('a') lists"


def test_broken_checkpoints_name_the_command_that_trains_again(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stopped = runs[0] / "stopped"
    for path in (stopped / "checkpoints").iterdir():
        path.write_bytes(b"broken")
    code, text = answer(f"resume {stopped}")
    assert code == 5
    (command,) = suggested(text)
    assert answer(command.removeprefix("kae ") + " --name again")[0] == 0
    assert len(Run(tmp_path / "runs" / "again").history["loss"]) == 3


@pytest.mark.slow
def test_commands_in_a_report_work(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = runs[0] / "done"
    assert answer(f"export onnx {done}")[0] == 0
    assert answer(f"report {done}")[0] == 0
    page = (done / "report.html").read_text("utf-8")
    commands = set(re.findall(r">(kae [^<\n]*)</", page)) - {"kae report"}
    assert {command.split()[1] for command in commands} == {"train", "infer"}
    np.save("images.npy", np.zeros((3, 28, 28, 1), np.uint8))
    for command in commands:
        code, text = answer(command.removeprefix("kae "))
        assert code == 0, text
    assert np.load("reconstructions.npy").shape == (3, 28, 28, 1)
