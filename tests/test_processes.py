"""Several processes that train one model: the weights of one process, one run folder, one voice."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import keras_mnist_ae as kae
from keras_mnist_ae import build, train
from keras_mnist_ae.cli import main
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.system import processes
from keras_mnist_ae.system.launch import fitting
from keras_mnist_ae.system.share import Share

torch_only = pytest.mark.skipif(keras.backend.backend() != "torch", reason="the step of the torch backend")
KAE = (sys.executable, "-m", "keras_mnist_ae")
SMALL = ("--dataset", "digits", "--limit", "203", "--epochs", "2", "--batch-size", "32")


@pytest.fixture
def exact(tmp_path):
    """The environment of a Keras that computes in float64, where rounding turns no ReLU."""
    home = tmp_path / "keras"
    home.mkdir()
    (home / "keras.json").write_text('{"floatx": "float64", "backend": "torch"}')
    return {**os.environ, "KERAS_HOME": str(home), "KERAS_BACKEND": "torch", "OMP_NUM_THREADS": "1"}


def trained(variant, folder, count, environment, *more):
    command = (*KAE, "train", variant, *SMALL, "--runs-dir", folder, "--name", f"of-{count}", *more)
    done = subprocess.run(
        [*command, "--processes", str(count)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return kae.Run(folder / f"of-{count}"), done


def weights(run):
    return np.concatenate([np.ravel(weight) for weight in run.model.get_weights()])


@torch_only
@pytest.mark.parametrize(
    ("variant", "count", "more"),
    [
        ("mlp", 2, ("--noise", "gaussian:0.2")),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("conv-avgpool", 3, ()),
                ("conv-best", 2, ()),
                ("conv-unpool", 2, ("--dropout", "0.2")),
                ("vae-conv", 3, ("--importance", "2")),
                ("conv", 2, ("--ema", "0.9", "--validation", "50", "--augment", "shift:1")),
            )
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, str | int) else None,
)
def test_weights_are_those_of_one_process(variant, count, more, tmp_path, exact):
    """Batches of 32 of 203 images: neither the batches nor the last of 11 divide."""
    one, _ = trained(variant, tmp_path, 1, exact, *more)
    several, done = trained(variant, tmp_path, count, exact, *more)
    np.testing.assert_allclose(weights(several), weights(one), rtol=0, atol=1e-7)
    assert several.history["val_loss"] == pytest.approx(one.history["val_loss"], rel=1e-7)
    assert done.stderr.count("epoch 1/2 ") == 1
    assert done.stdout.count("\ntrained ") == 1
    assert several.environment["processes"] == len(several.environment["hosts"]) == count


@torch_only
@pytest.mark.slow
def test_the_name_of_the_machine_need_not_resolve(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\nsocket.getfqdn = socket.gethostname = lambda name='': 'no-such-host.invalid'\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1"}
    _, done = trained("mlp", tmp_path, 2, environment)
    assert "epoch 2/2" in done.stderr


@torch_only
@pytest.mark.slow
@pytest.mark.parametrize(("victim", "codes"), [("launcher", {130}), ("0", {1, 137}), ("1", {1, 137})])
def test_one_that_ends_ends_all_and_the_run_goes_on_to_the_same_bits(victim, codes, tmp_path):
    command = (*KAE, "train", "conv-best", "--dataset", "digits", "--limit", "320", "--epochs", "8")
    command = (*command, "--checkpoint-every", "3", "--runs-dir", tmp_path, "--processes", "2")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole = subprocess.run([*command, "--name", "whole"], env=environment, capture_output=True, check=False)
    assert whole.returncode == 0
    with subprocess.Popen(
        [*command, "--name", "stopped"], env=environment, stderr=subprocess.PIPE, text=True
    ) as launcher:
        for line in launcher.stderr:
            if line.startswith("epoch 2/"):
                break
        if victim == "launcher":
            launcher.send_signal(signal.SIGINT)
        else:
            os.kill(_process(launcher.pid, victim), signal.SIGKILL)
        began = time.monotonic()
        said = launcher.stderr.read()
    assert time.monotonic() - began < 10
    assert launcher.returncode in codes
    told = [line for line in said.splitlines() if not line.startswith("epoch")]
    assert f"kae resume {tmp_path / 'stopped'}" in "".join(told)
    assert len(told) <= 2
    resumed = [*KAE, "resume", tmp_path / "stopped"]
    alone = subprocess.run(resumed, env=environment, capture_output=True, text=True, check=False)
    assert (alone.returncode, "processes was 2, is 1" in alone.stderr) == (2, True)
    done = subprocess.run(
        [*resumed, "--processes", "2"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert np.array_equal(weights(kae.Run(tmp_path / "stopped")), weights(kae.Run(tmp_path / "whole")))


def _process(launcher, rank):
    """The process of that rank below a launcher."""
    for pid in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if f"RANK={rank}" in Path(f"/proc/{pid}/environ").read_text().split("\0"):
            return int(pid)
    raise AssertionError(rank)


@pytest.mark.slow
def test_other_data_in_one_of_them_are_refused(tmp_path):
    """Each process reads what its own working folder holds."""
    for rank in (0, 1):
        (tmp_path / str(rank)).mkdir()
        np.save(tmp_path / str(rank) / "a.npy", np.full((60, 28, 28), 100 + rank, np.uint8))
    script = tmp_path / "script.py"
    script.write_text(
        "import os, sys\n"
        "os.chdir(os.environ['RANK'])\n"
        "sys.argv = ['kae', 'train', 'mlp', '--dataset', './a.npy', '--epochs', '1', '--backend', 'torch']\n"
        "from keras_mnist_ae.__main__ import main\n"
        "main()\n"
    )
    launch = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    done = subprocess.run([*launch, script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode != 0
    assert done.stderr.count("process 2 of 2, on ") == 1
    assert "has read other data: " in done.stderr
    assert not (tmp_path / "0" / "runs").exists()


@pytest.mark.parametrize(
    ("size", "rank", "count"), [("4", "0", 4), ("1", "0", 1), ("", "0", 1), ("4", None, 1)]
)
def test_processes_are_counted_by_what_a_launcher_sets(size, rank, count, monkeypatch, tmp_path):
    for name in ("MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WORLD_SIZE", size)
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    assert processes.count() == count
    if count > 1:
        with pytest.raises(UsageError, match="4 processes, but not where they meet|cannot train on"):
            train("mlp", "digits", runs_dir=tmp_path / "runs")
        assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("backend", "device", "cards", "count"),
    [("torch", "auto", 4, 4), ("torch", "auto", 0, 1), ("torch", "cpu", 4, 1), ("jax", "auto", 4, 1)],
)
def test_auto_takes_a_process_for_each_card(backend, device, cards, count, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: cards)
    assert fitting(backend, device) == count


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5"])
def test_other_numbers_of_processes_are_refused(wrong):
    done = CliRunner().invoke(main.kae, ["train", "mlp", "--processes", wrong])
    assert done.exit_code == 2
    assert "is neither a number from 1 nor auto" in done.stderr


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_other_backends_are_refused(backend):
    with pytest.raises(UsageError, match=f"cannot train on {backend}: .*\nTrain on torch"):
        processes.refuse_backend(backend, 2)
    processes.refuse_backend(backend, 1)


def test_parts_of_batches_are_even_and_weigh_what_they_hold():
    for images, size in ((5, 2), (32, 3), (1, 2)):
        shares = [Share(rank, size) for rank in range(size)]
        parts = [np.arange(images)[share.take(images)] for share in shares]
        held = [part[: share.count] for part, share in zip(parts, shares, strict=True)]
        np.testing.assert_array_equal(np.concatenate(held), np.arange(images))
        assert sum(share.weight for share in shares) == pytest.approx(1)
        assert shares[0].counts == [len(part) for part in held]
        assert min(map(len, parts)) >= 1  # one without an image computes another's


@torch_only
def test_gradients_that_others_join_are_left_to_keras(monkeypatch):
    import torch

    def compiled():
        model = build("mlp")
        model.compile(optimizer="adam", loss="mse")
        model.make_train_function()
        return model

    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 1)
    compiled()
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    with pytest.warns(UserWarning, match="torch.distributed joins several processes"):
        compiled()


def test_the_run_says_how_many_trained_it(tmp_path):
    run = train("mlp", "digits", limit=40, epochs=1, runs_dir=tmp_path)
    assert json.loads((run.path / "environment.json").read_text())["processes"] == 1
