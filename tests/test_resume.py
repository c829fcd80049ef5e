"""Going on after a kill, a signal, a broken checkpoint; what is not promised is refused; a run
folder has one writer.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from kills import KAE, survives

from keras_mnist_ae import train
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.errors import CorruptFileError, DivergedError, UsageError
from keras_mnist_ae.runs import checkpoints
from keras_mnist_ae.runs.folder import Run
from keras_mnist_ae.runs.runs_dir import find
from keras_mnist_ae.training import callbacks
from keras_mnist_ae.training.resume import resume

pytestmark = pytest.mark.backend


BACKEND = keras.backend.backend()
SETTINGS = {"dataset": "digits", "limit": 320, "epochs": 3, "checkpoint_every": "4"}


class Stop(Exception):
    """A crash in the middle of training."""


def run(*arguments):
    return CliRunner().invoke(kae, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def crash(monkeypatch):
    """Stop training when so many batches are done, or a few more where several are done in one
    call.
    """

    def at(batches):
        epochs = {}

        def count(self, batch, logs=None, original=callbacks.Checkpoints.on_train_batch_end):
            original(self, batch, logs)
            epochs[self._epoch] = min(batch + 1, self.params["steps"])
            if sum(epochs.values()) >= batches:
                raise Stop

        monkeypatch.setattr(callbacks.Checkpoints, "on_train_batch_end", count)

    return at


def crashed(folder, crash, batches, monkeypatch, name="cut", variant="mlp", **settings):
    crash(batches)
    with pytest.raises(Stop):
        train(variant, runs_dir=folder, name=name, **{**SETTINGS, **settings})
    monkeypatch.undo()
    return Run(folder / name)


def weights(run):
    return [np.asarray(array) for array in run.model.get_weights()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that is never stopped, by variant."""
    folder = tmp_path_factory.mktemp("whole")
    return cache(lambda variant: train(variant, runs_dir=folder, name=variant, **SETTINGS))


@pytest.mark.slow("tensorflow")
def test_dropout_noise_samples_and_schedule_go_on_where_they_were(tmp_path, crash, monkeypatch):
    chance = {"dropout": 0.2, "noise": "gaussian:0.2", "batch_norm": True, "kl_warm_up": 0.5, "warm_up": 0.1}
    chance |= {"ema": 0.8, "patience": 3, "augment": "shift:2,flip", "importance": 3}
    never = train("vae-mlp", runs_dir=tmp_path, name="never", batch_size=32, **SETTINGS, **chance)
    run = resume(crashed(tmp_path, crash, 15, monkeypatch, variant="vae-mlp", batch_size=32, **chance))
    assert all(np.array_equal(a, b) for a, b in zip(weights(run), weights(never), strict=True))
    for column in ("loss", "val_loss", "kl", "val_reconstruction"):
        assert run.history[column] == never.history[column]
    assert run.metrics == never.metrics


@pytest.mark.parametrize(
    ("variant", "batches"),
    [  # stopped before the first checkpoint, at one, after one, at an epoch's end, in the next, ...
        ("mlp", 11),
        *(
            pytest.param("mlp", batches, marks=pytest.mark.slow("tensorflow", "jax"))
            for batches in (3, 4, 6, 10, 15, 30)
        ),
        pytest.param("conv-unpool", 6, marks=pytest.mark.slow),
    ],
)
def test_resumed_run_equals_one_that_was_never_stopped(tmp_path, crash, batches, variant, monkeypatch, whole):
    whole = whole(variant)
    cut = crashed(tmp_path, crash, batches, monkeypatch, variant=variant)
    assert not cut.finished
    again = resume(cut)
    assert [again.history[column] for column in ("loss", "val_loss")] == [
        whole.history[column] for column in ("loss", "val_loss")
    ]
    assert again.metrics == whole.metrics
    for ours, theirs in zip(weights(again), weights(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert list((tmp_path / "cut" / "checkpoints").glob("*")) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut", "latest"], "no new folder"


@pytest.mark.slow
def test_twelve_kills_over_three_backends_change_nothing(tmp_path):
    """Four on each backend: every backend's tests run this once."""
    hits = survives(tmp_path, BACKEND, "conv-avgpool", 3, seed=1)
    assert hits >= 2


@pytest.mark.slow("tensorflow", "jax")
def test_broken_newest_checkpoint_gives_way_to_the_one_before(tmp_path, crash, monkeypatch, whole):
    cut = crashed(tmp_path, crash, 19, monkeypatch)
    kept = sorted((cut.path / "checkpoints").iterdir())
    assert [path.name for path in kept] == ["000001-00000004.npz", "000001-00000008.npz"]
    content = bytearray(kept[1].read_bytes())
    content[len(content) // 2] ^= 1
    kept[1].write_bytes(content)
    done = run("resume", cut.path, "--json")
    assert done.exit_code == 0, done.stderr
    assert "000001-00000008.npz is not what was written there" in done.stderr
    assert "from epoch 2, batch 5" in done.stderr
    assert json.loads(done.stdout)["metrics"] == whole("mlp").metrics
    cut = crashed(tmp_path, crash, 19, monkeypatch, name="both")
    for path in (cut.path / "checkpoints").iterdir():
        path.write_bytes(b"")
    with pytest.raises(CorruptFileError, match="no checkpoint of run .* is whole"):
        resume(cut)


@pytest.mark.parametrize(
    "told",
    [
        *({"epoch": epoch} for epoch in (-1, 1.5, "1", None, 2)),
        *({"batch": batch} for batch in (-5, True)),
        *(
            {"history": history}
            for history in ([], {"loss": [0.1], "val_loss": [], "seconds": [1.0]}, {"loss": ["0.1"]})
        ),
        {"seconds": float("inf")},
        {"arrays": np.complex64},
        {"arrays": np.nan},
    ],
    ids=str,
)
@pytest.mark.slow("tensorflow", "jax")
def test_checkpoint_that_no_training_writes_gives_way_though_its_checksum_is_right(tmp_path, told, stopped):
    cut = Run(shutil.copytree(stopped.path, tmp_path / "cut"))
    _, second = sorted((cut.path / "checkpoints").iterdir())
    with np.load(second) as file:
        arrays = dict(file)
    content = json.loads(str(arrays["told"]))
    if "arrays" in told:
        arrays["array0"] = (
            arrays["array0"] * told["arrays"]
            if told["arrays"] is np.nan
            else arrays["array0"].astype(told["arrays"])
        )
    arrays["told"] = np.array(
        json.dumps({**content, **{name: value for name, value in told.items() if name != "arrays"}})
    )
    with cut.replacing(f"checkpoints/{second.name}") as temporary:
        np.savez(temporary, **arrays)
    found = checkpoints.newest(cut)
    assert (found.epoch, found.batch) == (1, 4)


@pytest.mark.parametrize("told", [{"epoch": 99}, {"batch": 10**6}, {"history": {"loss": [0.1]}}], ids=str)
@pytest.mark.slow("tensorflow", "jax")
def test_checkpoint_of_another_run_is_refused(tmp_path, told, stopped):
    cut = Run(shutil.copytree(stopped.path, tmp_path / "cut"))
    for path in sorted((cut.path / "checkpoints").iterdir()):
        with np.load(path) as file:
            arrays = dict(file)
        content = {**json.loads(str(arrays["told"])), **told}
        content["history"] = {
            name: (values * 99)[: content["epoch"]] for name, values in content["history"].items()
        }
        with cut.replacing(f"checkpoints/{path.name}") as temporary:
            np.savez(temporary, **{**arrays, "told": np.array(json.dumps(content))})
    done = run("resume", cut.path)
    assert done.exit_code == 5
    assert "of another run than" in done.stderr


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A run that ended after 19 batches."""
    with pytest.MonkeyPatch.context() as patch:
        original = callbacks.Checkpoints.on_train_batch_end

        def stop(self, batch, logs=None):
            original(self, batch, logs)
            if self._epoch == 1 and batch + 1 >= 9:
                raise Stop

        patch.setattr(callbacks.Checkpoints, "on_train_batch_end", stop)
        with pytest.raises(Stop):
            train("mlp", runs_dir=tmp_path_factory.mktemp("stopped"), name="cut", **SETTINGS)
        return find("cut", tmp_path_factory.getbasetemp() / "stopped0")


@pytest.mark.slow("tensorflow", "jax")
def test_folder_whose_config_was_never_written_is_taken_over(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / ".lock").touch()
    (tmp_path / "mine" / "checksums.json").write_text("{")
    assert run("resume", tmp_path / "mine").exit_code == 2
    (tmp_path / "mine" / "checksums.json").unlink()
    assert train("mlp", runs_dir=tmp_path, name="mine", **SETTINGS).finished


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")  # noqa: PTH110
@pytest.mark.slow("tensorflow", "jax")
def test_training_does_not_end_with_those_who_read_its_progress(tmp_path):
    command = [
        *KAE,
        "train",
        "mlp",
        "--dataset",
        "digits",
        "--limit",
        "64",
        "--epochs",
        "2",
        "--runs-dir",
        str(tmp_path),
        "--json",
    ]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=full,
            text=True,
            timeout=120,
            env={**os.environ, "KERAS_BACKEND": BACKEND},
        )
    assert done.returncode == 0
    assert json.loads(done.stdout)["epochs"] == 2


@pytest.mark.slow("tensorflow", "jax")
def test_what_cannot_be_exact_is_refused_and_named(tmp_path, crash, monkeypatch):
    cut = crashed(tmp_path, crash, 6, monkeypatch)
    cut.write_environment(**{**cut.environment, "numpy": "1.0", "keras": "3.0"})
    done = run("resume", cut.path)
    assert done.exit_code == 2
    assert "numpy was 1.0, is" in done.stderr
    assert "keras was 3.0, is" in done.stderr
    assert "--allow-inexact" in done.stderr
    assert not cut.finished
    done = run("resume", cut.path, "--allow-inexact")
    assert done.exit_code == 0, done.stderr
    assert sorted(Run(cut.path).environment["inexact"])[0].startswith("keras was 3.0, then ")
    assert "inexact: keras, numpy changed" in done.stderr or "inexact: numpy, keras changed" in done.stderr


@pytest.mark.slow("tensorflow", "jax")
def test_finished_run_is_left_as_it_is_and_its_name_is_taken(tmp_path):
    finished = train("mlp", runs_dir=tmp_path, name="mine", **SETTINGS)
    before = {path: path.stat().st_mtime_ns for path in finished.path.rglob("*") if path.name != ".lock"}
    done = run("resume", finished.path)
    assert done.exit_code == 0
    assert "is finished" in done.stderr
    assert {
        path: path.stat().st_mtime_ns for path in finished.path.rglob("*") if path.name != ".lock"
    } == before
    with pytest.raises(UsageError, match=r"exists in .*\nChoose another name, or give overwrite=True"):
        train("mlp", runs_dir=tmp_path, name="mine", **SETTINGS)


def test_checkpoints_of_the_state_only_while_it_is_finite(tmp_path):
    with pytest.raises(
        DivergedError,
        match=r"the loss is (nan|inf) in batch(es \d+ to)? \d+ of epoch 1, at a learning rate of 1e\+30",
    ):
        train(
            "conv-k15",
            runs_dir=tmp_path,
            name="mine",
            **{**SETTINGS, "learning_rate": 1e30, "checkpoint_every": "1"},
        )
    state = checkpoints.newest(find("mine", tmp_path))
    assert state is None or all(np.isfinite(array).all() for array in state.arrays)


@pytest.mark.slow("tensorflow", "jax")
def test_divergence_under_a_schedule_tells_the_rate_that_was_asked_for(tmp_path):
    with pytest.raises(DivergedError, match=r"at a learning rate of 1e\+30"):
        train("conv-k15", runs_dir=tmp_path, **{**SETTINGS, "learning_rate": 1e30, "warm_up": 0.5})


@pytest.mark.parametrize("every", ["0", "-3", "2.5", "s", "1h", ""])
@pytest.mark.slow("tensorflow", "jax")
def test_checkpoint_interval_that_cannot_be_used(tmp_path, every):
    done = run("train", "mlp", "--dataset", "digits", "--checkpoint-every", every, "--runs-dir", tmp_path)
    assert done.exit_code == 2
    assert "checkpoint_every is" in done.stderr


@pytest.mark.slow("tensorflow", "jax")
def test_signal_keeps_the_batch_and_says_how_to_go_on(tmp_path):
    command = [
        *KAE,
        "train",
        "mlp",
        "--dataset",
        "digits",
        "--epochs",
        "100000",
        "--runs-dir",
        str(tmp_path),
        "--name",
        "mine",
    ]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "KERAS_BACKEND": BACKEND}
    ) as process:
        for line in process.stderr:
            if line.startswith("epoch      2/100000"):
                break
        busy = run("resume", tmp_path / "mine")
        assert busy.exit_code == 2
        assert "another process is at work on run" in busy.stderr
        process.send_signal(signal.SIGINT)
        asked = time.monotonic()
        lines = process.stderr.read().splitlines()
        assert process.wait(60) == 130
        assert time.monotonic() - asked < 5
    assert lines[-1] == f"kae: interrupted; to go on: kae resume {tmp_path / 'mine'}"
    newest = sorted((tmp_path / "mine" / "checkpoints").iterdir())[-1]
    state = checkpoints.newest(find("mine", tmp_path))
    assert newest.name == f"{state.epoch:06d}-{state.batch:08d}.npz"
    assert len(state.history["loss"]) == state.epoch


@pytest.mark.slow("tensorflow", "jax")
def test_lock_does_not_outlive_its_owner(tmp_path):
    finished = train("mlp", runs_dir=tmp_path, name="mine", **SETTINGS)
    code = "from keras_mnist_ae import Run; from pathlib import Path; import os\n"
    code += f"with Run(Path({str(finished.path)!r})).locked(): os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    with finished.locked(), finished.locked():  # and one owner may enter twice
        pass


@pytest.mark.slow
@pytest.mark.skipif(BACKEND != "torch" or sys.platform != "linux", reason="forks a process of torch")
def test_commands_killed_before_their_changes_to_files_leave_a_whole_run(tmp_path):
    script = Path(__file__).with_name("placed_kills.py")
    command = [sys.executable, script, "--folder", tmp_path / "kills", "--most", "3"]
    command += ["--commands", "train", "resume", "evaluate", "export", "tag"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1])["together"] == 15
