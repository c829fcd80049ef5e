"""Every artefact of a run, and a failure at each step of its writing: the old version or the new
one is there, whole and trusted.
"""

import errno
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from faults import Failing

from keras_mnist_ae import datasets, train
from keras_mnist_ae.analysis import plots
from keras_mnist_ae.errors import CorruptFileError, UsageError, WriteError
from keras_mnist_ae.export import folder as exports
from keras_mnist_ae.export.runtime import OnnxAutoencoder
from keras_mnist_ae.runs import checkpoints
from keras_mnist_ae.runs.checkpoints import Checkpoint
from keras_mnist_ae.runs.checksums import CHECKSUMS
from keras_mnist_ae.runs.folder import Run
from keras_mnist_ae.runs.samples import read_samples
from keras_mnist_ae.training.resume import resume

DATA = datasets.load("digits")
FLIPS = int(os.environ.get("KAE_FLIPS", "300"))  # by hand: KAE_FLIPS=2000 pytest tests/test_runs.py -k flips


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    run = train(
        "mlp", dataset="digits", limit=64, epochs=1, runs_dir=tmp_path_factory.mktemp("runs"), name="run"
    )
    last = ("checkpoint", "metrics")  # whoever locks a run that has metrics removes its checkpoints
    for name in (name for name in ARTEFACTS if name not in last):
        ARTEFACTS[name][1](run, 1)
    exports.export(run, DATA, limit=4)
    for name in last:
        ARTEFACTS[name][1](run, 1)
    return run


def _model(run, version):
    run.model.decoder.weights[-1].assign(np.full(784, version, "float32"))
    run.write_model(run.model)


def _checkpoint(run, version):
    run.unfinish()
    checkpoints.save(
        run, Checkpoint(0, 7, float(version), {"loss": [], "val_loss": []}, [np.full(50, version, "float32")])
    )


ARTEFACTS = {
    "config": ("config.toml", lambda run, version: run.write_config(run.config)),
    "environment": (
        "environment.json",
        lambda run, version: run.write_environment(**{**run.environment, "version": version}),
    ),
    "history": (
        "history.csv",
        lambda run, version: run.write_history({"loss": [version], "val_loss": [0.1], "seconds": [1.0]}),
    ),
    "model": ("model.keras", _model),
    "metrics": (
        "metrics.json",
        lambda run, version: run.write_metrics({"train_mse": float(version), "test_mse": 0.1}),
    ),
    "figure": (
        "figures/losses.png",
        lambda run, version: run.write_figure("losses", plots.losses({"test": [version, version + 1]})),
    ),
    "samples": ("generated.npz", lambda run, version: run.write_generated(images=np.full((2, 3), version))),
    "report": ("report.html", lambda run, version: run.write_report(f"<p>{version}</p>")),
    "checkpoint": ("checkpoints/000000-00000007.npz", _checkpoint),
}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=errno.errorcode.get)
@pytest.mark.parametrize("artefact", ARTEFACTS)
def test_failure_at_each_step_leaves_the_old_version_or_the_new(finished, tmp_path, artefact, code):
    name, write = ARTEFACTS[artefact]
    for step in range(1, 20):
        run = Run(shutil.copytree(finished.path, tmp_path / str(step)))
        old = (run.path / name).read_bytes()
        with pytest.MonkeyPatch.context() as patch:
            failing, told = Failing(patch, step, code), None
            try:
                write(run, 2)
            except WriteError as error:
                told = error
        assert (told is None) == (failing.left > 0)
        assert told is None or ("space" in str(told)) == (code != errno.EROFS)
        assert run.checked(name).is_file(), "whichever is there is trusted"
        assert {path.name for path in run.path.rglob(".*")} <= {".lock"}, "no temporary file stays"
        if failing.left > 0:  # it never failed: every step was seen
            assert artefact == "config" or run.checked(name).read_bytes() != old
            break
        if step <= 2:  # the flush of the new file, that of its checksum
            assert (run.path / name).read_bytes() == old
    else:
        raise AssertionError("the write has no end")
    assert step > 4


def test_failure_of_an_export_leaves_the_old_one(finished, tmp_path):
    run = Run(shutil.copytree(finished.path, tmp_path / "run"))
    old = {path.name: path.read_bytes() for path in (run.path / "onnx").iterdir()}
    for step in range(1, 40):
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(patch, step, errno.ENOSPC)
            try:
                exports.export(run, DATA, limit=5)
            except WriteError:
                assert {path.name: path.read_bytes() for path in (run.path / "onnx").iterdir()} == old
        if failing.left > 0:
            break
    assert step > 8
    assert json.loads((run.path / "onnx" / "manifest.json").read_text())["validated_images"] == 5


def test_kill_between_checksum_and_file_leaves_the_old_one_trusted(finished, tmp_path, monkeypatch):
    run = Run(shutil.copytree(finished.path, tmp_path / "run"))
    old = run.metrics
    original = Path.replace

    def killed(path, target):
        if Path(target).name == "metrics.json":
            raise KeyboardInterrupt
        return original(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        run.write_metrics({"train_mse": 9.0, "test_mse": 9.0})
    monkeypatch.undo()
    assert Run(run.path).metrics == old
    Run(run.path).write_metrics({"train_mse": 3.0, "test_mse": 3.0})
    assert Run(run.path).metrics["test_mse"] == 3


def test_a_finished_run_loses_checkpoints_that_a_kill_left(finished, tmp_path):
    run = Run(shutil.copytree(finished.path, tmp_path / "run"))
    assert list((run.path / "checkpoints").iterdir())
    assert resume(run).path == run.path
    assert not list((run.path / "checkpoints").iterdir())


def test_an_export_that_a_kill_left_between_two_renames_is_put_back(finished, tmp_path):
    run = Run(shutil.copytree(finished.path, tmp_path / "run"))
    whole = {path.name: path.read_bytes() for path in (run.path / "onnx").iterdir()}
    shutil.copytree(run.path / "onnx", run.path / ".onnx.new")
    (run.path / "onnx").rename(run.path / ".onnx.old")
    run.write_metrics(run.metrics)
    assert {path.name: path.read_bytes() for path in (run.path / "onnx").iterdir()} == whole
    assert not list(run.path.glob(".onnx*"))


def test_what_a_killed_writer_left_goes_when_the_next_one_begins(finished, tmp_path):
    run = Run(shutil.copytree(finished.path, tmp_path / "run"))
    for left in (
        ".metrics.123.partial.json",
        "checkpoints/.000001-00000004.77.partial.npz",
        "figures/.losses.9.partial.png",
        ".folder.12.partial",
    ):
        (run.path / left).parent.mkdir(exist_ok=True)
        (run.path / left).write_text("half")
    for mine in (".mine", ".notes.1.txt", ".cache.2024"):
        (run.path / mine).write_text("not ours")
    run.write_metrics({"train_mse": 3.0, "test_mse": 3.0})
    assert {path.name for path in run.path.rglob(".*")} == {
        *(".lock", ".mine", ".notes.1.txt", ".cache.2024"),
    }


def test_nothing_is_written_through_a_link_out_of_the_run(finished, tmp_path):
    run = Run(shutil.copytree(finished.path, tmp_path / "run"))
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in ("figures", "onnx"):
        shutil.rmtree(run.path / name)
        (run.path / name).symlink_to(outside)
    with pytest.raises(WriteError, match="leads out of the run folder"):
        run.write_figure("losses", plots.losses({"test": [1, 2]}))
    with pytest.raises(WriteError, match="is a link"):
        exports.export(run, DATA, limit=4)
    assert not list(outside.iterdir())


def test_file_without_a_checksum_is_refused(finished, tmp_path):
    run = Run(shutil.copytree(finished.path, tmp_path / "run"))
    (run.path / CHECKSUMS).unlink()
    with pytest.raises(CorruptFileError, match=r"checksums\.json is gone"):
        _ = run.metrics


def _graphs(run):
    OnnxAutoencoder(run.path / "onnx").load()


READERS = {
    "config.toml": lambda run: run.config,
    "environment.json": lambda run: run.environment,
    "history.csv": lambda run: run.history,
    "metrics.json": lambda run: run.metrics,
    "verdict.json": lambda run: run.verdict,
    "samples.npz": read_samples,
    "model.keras": lambda run: run.model,
    "variant.toml": lambda run: run.variant,
    "checksums.json": lambda run: run.metrics,
    "checkpoints/000000-00000007.npz": checkpoints.newest,
    "figures/losses.png": lambda run: run.checked("figures/losses.png"),  # as the report does
    "figures/reconstructions.png": lambda run: run.checked("figures/reconstructions.png"),
    **dict.fromkeys(
        ("onnx/encoder.onnx", "onnx/decoder.onnx", "onnx/autoencoder.onnx", "onnx/manifest.json"), _graphs
    ),
}
NEVER_READ = {"generated.npz", "report.html"}  # by us
INDIFFERENT = {
    "onnx/manifest.json"
}  # what the gate measured, which is told and not used; the rest of it is checked


@pytest.mark.parametrize("name", READERS)
def test_single_bit_flips_are_found_before_use(finished, tmp_path, name):
    path = shutil.copytree(finished.path, tmp_path / "run") / name
    content = path.read_bytes()
    READERS[name](Run(tmp_path / "run"))
    missed = []
    for bit in np.random.default_rng(0).integers(0, 8 * len(content), FLIPS // len(READERS) + 1):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            READERS[name](Run(tmp_path / "run"))
        except CorruptFileError:
            continue
        missed.append(bit)
    if name in INDIFFERENT:
        true, used = json.loads(content), ("variant", "precision", "weights_sha256")
        for bit in missed:
            flipped = bytearray(content)
            flipped[bit // 8] ^= 1 << bit % 8
            found = json.loads(flipped)
            assert all(found[key] == true[key] for key in used)
            assert [(graph["file"], graph["sha256"]) for graph in found["graphs"]] == [
                (graph["file"], graph["sha256"]) for graph in true["graphs"]
            ]
    else:
        assert not missed


def test_every_file_is_among_them(finished):
    files = {
        path.relative_to(finished.path).as_posix() for path in finished.path.rglob("*") if path.is_file()
    }
    assert files - {".lock"} == set(READERS) | NEVER_READ


def test_two_interrupted_writes_of_one_file_leave_it_trusted(finished, tmp_path):
    """The checksum of what lies there stays, however often its replacement did not come."""
    copy = Run(shutil.copytree(finished.path, tmp_path / "twice"))
    before = (copy.path / "metrics.json").read_bytes()
    for number in range(3):

        def killed(self, target, number=number):
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(type(copy.path), "replace", stop_at(copy.path / "metrics.json", killed))
            copy.write_metrics({"train_mse": float(number), "test_mse": 0.5})
    assert (copy.path / "metrics.json").read_bytes() == before
    assert Run(copy.path).metrics["test_mse"] == finished.metrics["test_mse"]


def stop_at(target, instead):
    original = type(target).replace

    def replace(self, other):
        return instead(self, other) if other == target else original(self, other)

    return replace


@pytest.mark.parametrize("what", ["config", "history", "metrics", "model", "variant"])
def test_a_run_that_is_not_there_is_said_to_be_not_there(what, tmp_path):
    with pytest.raises(UsageError, match=r"^there is no run .*nope$"):
        getattr(Run(tmp_path / "nope"), what)
    assert not (tmp_path / "nope").exists()
