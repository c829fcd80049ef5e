"""The command line: what it answers, how it fails, and what it does not import."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import click
import keras
import pytest
from click.testing import CliRunner

from keras_mnist_ae import errors
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.runs.folder import Run
from keras_mnist_ae.system.backend import device_name

BACKEND = keras.backend.backend()
KAE = [sys.executable, "-m", "keras_mnist_ae"]


def run(*arguments):
    return CliRunner().invoke(kae, [str(argument) for argument in arguments], catch_exceptions=False)


def train(tmp_path, *arguments):
    return run(
        "train",
        "--dataset",
        "digits",
        "--limit",
        64,
        "--epochs",
        1,
        "--runs-dir",
        tmp_path / "runs",
        *arguments,
    )


def test_models_lists_every_variant():
    lines = run("models").stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["conv-avgpool", "64", "62,905"],
        ["conv-k15", "64", "94,393"],
        ["conv-k16", "64", "707,121"],
        ["conv-unpool", "64", "210,465"],
        ["mlp", "32", "222,384"],
        ["conv-best", "64", "619,393"],
        ["conv", "32", "270,689"],
        ["vae-conv", "16", "1,688,417"],
        ["vae-mlp", "16", "1,079,600"],
    ]


def test_models_prints_a_table_row_by_row():
    output = run("models", "conv-k15").stdout
    assert "encoder  Conv 1->8 k15 s1 p1, ReLU            8x16x16       1,808" in output
    assert "recipe: 15 epochs, batch 32, Adam at 0.01" in output


def test_models_tells_the_erratum_of_conv_k16():
    output = run("models", "conv-k16").stdout
    for size in ("9x9", "12x12", "15x15", "7x7", "8x8", "28x28", "707,121"):
        assert size in output


def test_models_as_json_is_one_object():
    found = json.loads(run("models", "mlp", "--json").stdout)
    assert found["latent"] == 32
    assert found["decoder"][2] == {
        "name": "dense3",
        "row": "Dense 128->784, tanh",
        "output": [784],
        "parameters": 101_136,
    }
    assert len(json.loads(run("models", "--json").stdout)["variants"]) == 9


def test_train_evaluate_and_runs_tell_the_same_numbers(tmp_path):
    trained = train(tmp_path, "mlp", "--name", "mine", "--json")
    assert trained.exit_code == 0
    first, second = trained.stderr.splitlines()
    assert first == f"kae: train mlp on digits, 1 epoch, {BACKEND} on auto"
    assert second.startswith("epoch 1/1   train MSE 0.")
    told = json.loads(trained.stdout)
    assert set(told) == {"run", "variant", "backend", "epochs", "history", "metrics", "seconds"}
    assert told["run"] == str(tmp_path / "runs" / "mine")
    assert (told["variant"], told["backend"], told["epochs"]) == ("mlp", BACKEND, 1)
    assert list(told["history"]) == ["loss", "val_loss"]
    assert list(told["metrics"]) == ["train_mse", "test_mse"]

    (listed,) = json.loads(run("runs", "--runs-dir", tmp_path / "runs", "--json").stdout)["runs"]
    assert (listed["run"], listed["test_mse"], listed["seconds"]) == (
        "mine",
        told["metrics"]["test_mse"],
        told["seconds"],
    )

    evaluated = json.loads(run("evaluate", "--runs-dir", tmp_path / "runs", "--json").stdout)
    assert evaluated["mse"] == pytest.approx(told["metrics"]["test_mse"], rel=1e-6)
    assert evaluated["rmse"] ** 2 == pytest.approx(evaluated["mse"])
    assert evaluated["n"] == 360
    assert 0 < evaluated["pca_mse"] < evaluated["mse"], "64 images do not make a net that beats a PCA"


def test_runs_that_cannot_be_read_are_told_of_and_the_others_listed(tmp_path):
    assert train(tmp_path, "mlp", "--name", "good").exit_code == 0
    for name, file, content in (
        ("no-metrics", "metrics.json", "{}"),
        ("no-json", "metrics.json", "{"),
        ("no-config", "config.toml", "colour = 3"),
        ("no-history", "history.csv", "epoch,loss"),
    ):
        shutil.copytree(tmp_path / "runs" / "good", tmp_path / "runs" / name)
        (tmp_path / "runs" / name / file).write_text(content)
    shutil.copytree(tmp_path / "runs" / "good", tmp_path / "runs" / "killed")
    (tmp_path / "runs" / "killed" / "metrics.json").unlink()
    listed = run("runs", "--runs-dir", tmp_path / "runs", "--json")
    assert listed.exit_code == 0
    assert [row["run"] for row in json.loads(listed.stdout)["runs"]] == ["good", "killed"]
    assert listed.stderr.count("kae: left out:") == 4
    assert all(name in listed.stderr for name in ("no-metrics", "no-json", "no-config", "no-history"))


def test_run_of_other_data_or_another_model_is_refused(tmp_path):
    for variant in ("mlp", "conv-k15"):
        assert train(tmp_path, variant, "--name", variant).exit_code == 0
    mlp = tmp_path / "runs" / "mlp"
    environment = Run(mlp).environment
    Run(mlp).write_environment(**{**environment, "dataset_sha256": "0" * 64})
    result = run("evaluate", mlp)
    assert result.exit_code == 4
    assert "has another sha256" in result.stderr
    Run(mlp).write_environment(**environment)
    with Run(mlp).replacing("model.keras") as temporary:
        shutil.copy(tmp_path / "runs" / "conv-k15" / "model.keras", temporary)
    result = run("evaluate", mlp)
    assert result.exit_code == 5
    assert "it is a conv-k15, not a mlp" in result.stderr


def test_written_config_repeats_the_run(tmp_path):
    assert train(tmp_path, "--name", "first", "--seed", 5).exit_code == 0
    config = tmp_path / "runs" / "first" / "config.toml"
    again = run("train", "--config", config, "--runs-dir", tmp_path / "runs", "--name", "second", "--json")
    first = json.loads((config.parent / "metrics.json").read_text())
    assert json.loads(again.stdout)["metrics"] == first


def test_demo_trains_on_the_embedded_digits(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_mnist_ae.cli.demo.EPOCHS", 1)
    last = run("demo", "--runs-dir", tmp_path).stdout.splitlines()[-1]
    (page,) = tmp_path.glob("*/explorer.html")
    assert last == f"explorer   {page}"
    config = next(tmp_path.glob("*/config.toml")).read_text("utf-8")
    assert 'variant = "conv-avgpool"' in config
    assert len(list(tmp_path.glob("*/figures/reconstructions.png"))) == 1
    assert len(list(tmp_path.glob("*/onnx/*.onnx"))) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("models", "conv-k51"), 2, "unknown variant 'conv-k51'; did you mean 'conv-k"),
        (("train", "conv-avgpol"), 2, "did you mean 'conv-avgpool'?"),
        (("train", "--dataset", "mnits"), 2, "unknown dataset 'mnits'"),
        (("train", "--dataset", "digits", "--epochs", "0"), 2, "epochs is 0"),
        (("train", "--dataset", "digits", "--epochs", "many"), 2, "'many' is not a valid integer"),
        (("train", "--dataset", "digits", "--batch-size", "0"), 2, "batch_size is 0"),
        (
            ("train", "--dataset", "digits", "--batch-size", "1438"),
            2,
            "batch_size is 1438, more than the 1437 training images",
        ),
        (("train", "--learning-rate", "-1"), 2, "learning_rate is -1.0"),
        (("train", "--learning-rate", "nan"), 2, "learning_rate is nan"),
        (("train", "--backend", "mxnet"), 2, "backend is 'mxnet'; use one of torch, tensorflow, jax"),
        (("train", "--data-dir", "nowhere"), 4, "nowhere"),
        (("train", "--config", "nowhere.toml"), 2, "cannot read the config file nowhere.toml"),
        (("train", "--dataset", "digits", "--runs-dir", "file/runs"), 8, "cannot make the run folder"),
        (("evaluate", "nothing"), 2, "no run 'nothing'"),
        (("evaluate",), 2, "there is no run"),
        (("frobnicate",), 2, "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input(tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    result = run(*arguments)
    assert result.exit_code == code, result.stderr
    assert message in result.stderr
    assert len(result.stderr.splitlines()) <= 6
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_backend_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_mnist_ae.system.backend.find_spec", lambda name: None)
    result = train(tmp_path, "--backend", BACKEND)
    assert result.exit_code == 3
    assert f"the backend '{BACKEND}' is not installed" in result.stderr
    assert "pip install" in result.stderr


def test_backend_other_than_that_of_the_process(tmp_path):
    other = "jax" if BACKEND == "torch" else "torch"
    result = train(tmp_path, "--backend", other)
    assert result.exit_code == 2
    assert f"Keras runs on '{BACKEND}'" in result.stderr


def test_gpu_that_is_not_there(tmp_path):
    if device_name() != "cpu":
        pytest.skip("there is a GPU")
    result = train(tmp_path, "--device", "gpu")
    assert result.exit_code == 2
    assert f"{BACKEND} sees none" in result.stderr


def test_images_of_another_size_end_in_4(tmp_path, monkeypatch):
    from keras_mnist_ae import datasets

    small = datasets.load("digits").train
    small = datasets.Split(small.images[:, :20, :20], small.labels)
    monkeypatch.setattr(
        "keras_mnist_ae.runs.reopen.load",
        lambda *_, **options: datasets.Dataset("small", small, small, (), ""),
    )
    result = train(tmp_path)
    assert result.exit_code == 4
    assert "1x20x20" in result.stderr


def test_divergence_ends_in_7(tmp_path):
    result = train(tmp_path, "conv-k15", "--learning-rate", "1e30")
    assert result.exit_code == 7, result.stderr
    assert "at a learning rate of 1e+30" in result.stderr


def test_exit_codes_are_the_contract():
    """Scripts rely on them: docs/reference/cli.md."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    codes = {kind.__name__: kind.exit_code for kind in kinds}
    assert codes == {
        "KaeError": 1,
        "UsageError": 2,
        "MissingDependencyError": 3,
        "DataError": 4,
        "CorruptFileError": 5,
        "ValidationError": 6,
        "DivergedError": 7,
        "WriteError": 8,
        "LostProcessError": 1,
    }


def test_debug_adds_the_traceback_and_keeps_the_exit_code():
    result = run("models", "nothing", "--debug")
    assert result.exit_code == 2
    assert result.stderr.startswith("Traceback")
    assert "kae: unknown variant 'nothing'" in result.stderr


def test_bug_is_told_as_one_without_traceback(monkeypatch):
    monkeypatch.setattr("keras_mnist_ae.cli.models.find", lambda name: 1 / 0)
    result = run("models", "mlp")
    assert result.exit_code == 1
    assert (
        result.stderr
        == "kae: unexpected ZeroDivisionError: division by zero\nThis is a bug; --debug shows where it happened.\n"
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_training_with_its_code_and_no_traceback(tmp_path, number, code):
    command = [*KAE, "train", "--dataset", "digits", "--epochs", "1000", "--runs-dir", str(tmp_path)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "KERAS_BACKEND": BACKEND}
    ) as process:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("epoch") and " 2/1000" in line:
                process.send_signal(number)
        assert process.wait(60) == code
    assert lines[-1].startswith(("kae: interrupted", "kae: terminated")), lines
    assert not any("Traceback" in line for line in lines)
    assert [path.name for path in tmp_path.glob("*/.*")] == [".lock"], "a temporary file was left"


LOSING = """
import os, signal, sys
import keras_mnist_ae.cli.{module} as module
from keras_mnist_ae.__main__ import main

def lose(*arguments):
    try:
        os.kill(os.getpid(), signal.{name})
        signal.pause()
    except BaseException as error:
        {then}

module.find = lose
sys.argv = ["kae", "models", "mlp", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(
    "then",
    [
        "raise RuntimeError('a library failed') from error",
        "return __import__('keras_mnist_ae').VARIANTS['mlp']",
    ],
)
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_signal_is_not_lost_where_its_exception_is_wrapped_or_swallowed(then, name, code, debug):
    done = subprocess.run(
        [sys.executable, "-c", LOSING.format(module="models", name=name, then=then), *debug],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code
    assert done.stderr.splitlines()[-1] in ("kae: interrupted", "kae: terminated")


def test_signal_within_a_destructor_ends_what_follows_it():
    code = """
import os, signal, time
from keras_mnist_ae.system import signals
signals.install()

class Late:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

try:
    Late()
    time.sleep(30)
except signals.Interrupted as error:
    print(error, end="")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr, done.returncode) == ("terminated", "", 0)


def test_signal_that_the_parent_ignores_stays_ignored():
    """As under nohup."""
    code = "import os, signal; from keras_mnist_ae.system import signals; signals.install(); os.kill(os.getpid(), signal.SIGINT)"
    ignored = "import signal, subprocess, sys; signal.signal(2, signal.SIG_IGN)"
    ignored += f"; sys.exit(subprocess.run([sys.executable, '-c', {code!r}]).returncode)"
    assert subprocess.run([sys.executable, "-c", ignored], timeout=60).returncode == 0


def test_signal_while_something_is_imported_ends_the_process_there(tmp_path):
    """Native code that imports may not bear an exception; but what is being written is put right
    first.
    """
    (tmp_path / "slow.py").write_text(
        "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nsignal.pause()\n"
    )
    code = """
from pathlib import Path
from keras_mnist_ae.system import atomic, signals
signals.install()
try:
    {write}
except BaseException as error:
    print("seen", type(error).__name__)
    raise
"""
    for write, seen in (
        ("import slow", ""),
        (
            "with atomic.replacing(Path('out.txt')) as path:\n        path.write_text('half')\n"
            "        import slow",
            "seen Interrupted\n",
        ),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code.format(write=write)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.stdout == seen
        assert [path.name for path in tmp_path.iterdir() if path.name != "__pycache__"] == ["slow.py"]
        if not seen:
            assert (done.returncode, done.stderr) == (143, "kae: terminated\n")


def test_second_signal_ends_at_once():
    code = """
import os, signal
from keras_mnist_ae.system import signals
signals.install()
try:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
except signals.Interrupted:
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == -signal.SIGTERM


FORBIDDEN = [
    "keras",
    "torch",
    "tensorflow",
    "jax",
    "matplotlib",
    "sklearn",
    "skimage",
    "tensorflow_datasets",
    "onnx",
    "onnxruntime",
]
LOADED = f"""
import sys
print([name for name in {FORBIDDEN} if name in sys.modules])
"""


@pytest.mark.parametrize(
    "code",
    [
        "import keras_mnist_ae",
        "import keras_mnist_ae; keras_mnist_ae.VARIANTS; keras_mnist_ae.Variant",
        "from keras_mnist_ae.cli.main import kae; kae(['--help'], standalone_mode=False)",
        "from keras_mnist_ae.cli.main import kae; kae(['train', '--help'], standalone_mode=False)",
        "from keras_mnist_ae.cli.main import kae; kae(['models', 'conv-k15'], standalone_mode=False)",
        "from keras_mnist_ae.cli.main import kae; kae(['runs'], standalone_mode=False)",
    ],
)
def test_nothing_heavy_is_imported(tmp_path, code):
    done = subprocess.run([sys.executable, "-c", code + LOADED], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def screen(written):
    """The lines that a terminal shows after carriage returns, cursor up and erased lines."""
    lines, at = [""], 0
    for part in re.findall(r"\x1b\[1A|\x1b\[2K|\r|\n|[^\x1b\r\n]+", written):
        match part:
            case "\x1b[1A":
                at -= 1
            case "\x1b[2K":
                lines[at] = ""
            case "\n":
                at += 1
                lines += [""] * (at == len(lines))
            case "\r":
                pass  # everything that follows one is written to an erased line
            case _:
                lines[at] += part
    return lines


def test_progress_bar_on_a_terminal(tmp_path):
    """Under a pseudo-terminal a bar is drawn that leaves one line per epoch, and nothing is wider than
    the terminal; the other tests, whose stderr is no terminal, see the lines alone.
    """
    pty = pytest.importorskip("pty", reason="no pseudo-terminals on this system")
    termios = pytest.importorskip("termios")
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (40, 60))
    command = [*KAE, "train", "--dataset", "digits", "--epochs", "1000", "--runs-dir", str(tmp_path)]
    process = subprocess.Popen(command, stderr=follower, env={**os.environ, "KERAS_BACKEND": BACKEND})
    os.close(follower)
    seen, deadline = b"", time.monotonic() + 120
    interrupted = False
    while time.monotonic() < deadline:
        if b"epoch 2/1000" in seen and not interrupted:
            interrupted = True
            process.send_signal(signal.SIGINT)
        try:
            part = os.read(leader, 4096)
        except OSError:  # the other end is closed
            break
        seen += part
    assert process.wait(60) == 130
    os.close(leader)
    written = re.sub(r"\x1b\[[0-9;?]*[B-JL-Za-z]", "", seen.decode())
    assert "loading Keras" in written
    assert re.search(r"epoch 1/1000 [━╸╺]+ +[0-9]+ %", written)
    lines = screen(written)
    assert [line for line in lines if "1/1000" in line] == [
        line for line in lines if line.startswith("epoch    1/1000   train MSE ")
    ]
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 60, lines
    assert "kae: interrupted; to go on: kae resume" in lines
    assert seen.rfind(b"\x1b[?25h") >= seen.rfind(b"\x1b[?25l"), "the cursor stays hidden"


def test_a_warning_that_was_made_an_error_names_the_setting(monkeypatch):
    @click.command()
    def warns():
        raise DeprecationWarning("old numpy")

    monkeypatch.setitem(kae.commands, "warns", warns)
    outcome = CliRunner().invoke(kae, ["warns"])
    assert outcome.exit_code == 2
    assert "DeprecationWarning: old numpy" in outcome.stderr
    assert "unset PYTHONWARNINGS" in outcome.stderr
