"""Several processes for one job: refused where each would train the whole run."""

import subprocess
import sys

import keras
import pytest

from keras_mnist_ae import build, train
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.system import processes


def test_a_run_is_not_trained_by_each_process_of_a_launcher(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
            *("-m", "keras_mnist_ae", "train", "mlp", "--dataset", "digits", "--epochs", "1"),
            *("--runs-dir", str(tmp_path / "runs")),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "kae: a launcher has started 2 processes" in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("size", "rank", "count"), [("4", "0", 4), ("1", "0", 1), ("", "0", 1), ("4", None, 1)]
)
def test_processes_are_counted_by_what_a_launcher_sets(size, rank, count, monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", size)
    monkeypatch.delenv("RANK", raising=False)
    if rank is not None:
        monkeypatch.setenv("RANK", rank)
    assert processes.count() == count
    if count > 1:
        with pytest.raises(UsageError, match=f"{count} processes"):
            train("mlp", "digits", runs_dir=tmp_path / "runs")


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the step of the torch backend")
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
