"""kae infer --shards: the rows of one process in files that are whole or not there, whatever is
killed meanwhile.
"""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from click.testing import CliRunner
from PIL import Image
from pyarrow import parquet

from keras_mnist_ae import build, datasets
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.datasets.reading import Reading
from keras_mnist_ae.errors import KaeError
from keras_mnist_ae.export import weights
from keras_mnist_ae.export.onnx.emit import emit
from keras_mnist_ae.export.portions import divided
from keras_mnist_ae.system import workers

IMAGES = datasets.load("digits").train.images[:700]


@pytest.fixture(scope="module")
def graphs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("graphs")
    model = build("conv-avgpool", seed=1)
    for graph, proto in emit(model.variant, weights.read(model), {}).items():
        (folder / f"{graph}.onnx").write_bytes(proto.SerializeToString(deterministic=True))
    return folder


def png(image):
    content = io.BytesIO()
    Image.fromarray(image[..., 0]).save(content, "PNG")
    return content.getvalue()


def run(*arguments):
    return CliRunner().invoke(kae, ["infer", *map(str, arguments)], catch_exceptions=False)


def joined(folder):
    names = [part["file"] for part in json.loads((folder / "manifest.json").read_text())["parts"]]
    return np.concatenate([np.load(folder / name) for name in names])


@pytest.fixture
def inline(monkeypatch):
    """Shards without processes: what each makes is the same."""

    def each(function, tasks, argument, done, workers, advance):
        import pickle

        for task in tasks:
            given = pickle.loads(pickle.dumps((function, argument(task))))
            done(task, given[0](given[1], lambda count: None))

    monkeypatch.setattr(workers, "each", each)


def table(root, broken):
    rows = [png(image) for image in IMAGES]
    if broken:
        rows[300] = b"nothing"
    half = [{"bytes": row, "path": f"{at}.png"} for at, row in enumerate(rows)]
    (root / "set").mkdir()
    for at, part in enumerate((half[:400], half[400:])):
        parquet.write_table(
            pyarrow.table({"image": part, "label": [at] * len(part)}),
            root / f"set/{at}.parquet",
            row_group_size=150,
        )
    return root / "set"


def pixels(root, broken):
    columns = {f"p{at}": IMAGES.reshape(700, -1)[:, at] for at in range(784)}
    parquet.write_table(pyarrow.table({**columns, "label": np.arange(700) % 10}), root / "p.parquet")
    return root / "p.parquet"


def tar(root, broken):
    with tarfile.open(root / "s.tar", "w") as archive:
        for at, image in enumerate(IMAGES):
            for name, content in ((f"{at:04}.cls", b"3"), (f"{at:04}.png", png(image))):
                if broken and at == 300 and name.endswith("png"):
                    content = b"nothing"
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
    return root / "s.tar"


def tar_of_folders(root, broken):
    with tarfile.open(root / "f.tar", "w") as archive:
        for at, image in enumerate(IMAGES):
            entry, content = tarfile.TarInfo(f"all/{'cat' if at < 400 else 'dog'}/{at:04}.png"), png(image)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return root / "f.tar"


def folder(root, broken):
    for at, image in enumerate(IMAGES):
        place = root / "pictures" / ("cat" if at < 400 else "dog")
        place.mkdir(parents=True, exist_ok=True)
        content = png(image)
        if broken and at == 300:
            content = content[:-80]
        (place / f"{at:04}.png").write_bytes(content)
    return root / "pictures"


def npy(root, broken):
    np.save(root / "i.npy", IMAGES)
    return root / "i.npy"


def npz(root, broken):
    np.savez_compressed(root / "i.npz", image=IMAGES)
    return root / "i.npz"


def rows(root, broken):
    np.savetxt(root / "i.csv", IMAGES.reshape(700, -1), "%d", ",")
    return root / "i.csv"


@pytest.mark.parametrize(
    "make", [table, pixels, tar, tar_of_folders, folder, npy, npz, rows], ids=lambda f: f.__name__
)
def test_the_rows_are_those_of_one_process(graphs, tmp_path, inline, make):
    """Also where pictures are broken, with the same names and classes."""
    source = make(tmp_path, make in (table, tar, folder))
    assert run("encode", graphs, source, "-o", tmp_path / "one.parquet").exit_code == 0
    for form in ("npy", "parquet"):
        out = tmp_path / form
        result = run("encode", graphs, source, "-o", out, "--shards", "3", "--format", form)
        assert result.exit_code == 0, result.output
    one = parquet.read_table(tmp_path / "one.parquet")
    shards = [parquet.read_table(path) for path in sorted((tmp_path / "parquet").glob("shard-*"))]
    expected = {table: [256, 255, 188], tar: [256, 255, 188], folder: [256, 256, 187]}  # 1 left out
    assert [len(shard) for shard in shards] == expected.get(make, [256, 256, 188])
    assert pyarrow.concat_tables(shards).equals(one)
    codes = np.stack([one.column(f"z{at}").to_numpy() for at in range(64)], axis=1)
    np.testing.assert_array_equal(joined(tmp_path / "npy"), codes)
    manifest = json.loads((tmp_path / "npy/manifest.json").read_text())
    assert (manifest["complete"], manifest["rows"]) == (True, len(codes))
    assert manifest["items"] == (699 if make is folder else 700)
    at = 0
    for part in manifest["parts"]:
        content = np.ascontiguousarray(codes[at : at + part["rows"]]).tobytes()
        assert part["rows_sha256"] == {"latent": hashlib.sha256(content).hexdigest()}
        at += part["rows"]
    if make in (table, tar):
        assert "left out: 1 of 700 cannot be read" in result.stderr
    if make is folder:  # seen before anything is divided
        assert "1 broken" in result.stderr


def test_codes_are_decoded_in_shards(graphs, tmp_path, inline):
    np.save(tmp_path / "codes.npy", np.random.default_rng(0).normal(size=(600, 64)).astype("float32"))
    assert run("decode", graphs, tmp_path / "codes.npy", "-o", tmp_path / "one.npy").exit_code == 0
    assert (
        run("decode", graphs, tmp_path / "codes.npy", "-o", tmp_path / "out", "--shards", "2").exit_code == 0
    )
    np.testing.assert_array_equal(joined(tmp_path / "out"), np.load(tmp_path / "one.npy"))


def test_a_second_call_does_what_is_missing_and_mixes_nothing(graphs, tmp_path, inline):
    source, out = npy(tmp_path, False), tmp_path / "out"
    command = ("encode", graphs, source, "-o", out, "--shards", "3")
    assert "3 of them made" in run(*command).stdout
    before = joined(out)
    (out / "shard-00000-of-00003.npy").unlink()
    damaged = bytearray((out / "shard-00001-of-00003.npy").read_bytes())
    damaged[-1] ^= 1
    (out / "shard-00001-of-00003.npy").write_bytes(damaged)
    (out / ".shard-00002-of-00003.77.partial.npy").write_bytes(b"of a writer that was killed")
    again = run(*command, "--json")
    assert json.loads(again.stdout)["made"] == 2
    assert "shard-00001-of-00003.npy is not what was written there: it is made anew" in again.stderr
    np.testing.assert_array_equal(joined(out), before)
    assert sorted(os.listdir(out))[:2] == [".lock", "manifest.json"]
    assert "all were there" in run(*command).stdout
    assert "holds 3 shards, not 2" in run(*command[:-1], "2").stderr
    assert "of the kind .npy, not .csv" in run(*command, "--format", "csv").stderr
    np.save(source, 255 - IMAGES)
    changed = run(*command)
    assert changed.exit_code == 2
    assert "results of another or a changed source (sha256" in changed.stderr
    other = build("conv-avgpool", seed=2)
    (tmp_path / "other").mkdir()
    for graph, proto in emit(other.variant, weights.read(other), {}).items():
        (tmp_path / f"other/{graph}.onnx").write_bytes(proto.SerializeToString(deterministic=True))
    assert "results of another model (sha256" in run(command[0], tmp_path / "other", *command[2:]).stderr


def test_what_cannot_be(graphs, tmp_path, inline):
    source = npy(tmp_path, False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    for arguments, code, message in (
        (("-o", tmp_path / "mine", "--shards", "2"), 2, "holds other files (notes.txt) and no manifest"),
        (("-o", source, "--shards", "2"), 2, "is a file; name a folder"),
        (("-o", tmp_path / "out", "--workers", "2"), 2, "go with --shards N"),
        (("-o", tmp_path / "out", "--shards", "0"), 2, "0 is not in the range"),
    ):
        result = run("encode", graphs, source, *arguments)
        assert (result.exit_code, message in result.stderr) == (code, True), result.output
    result = run("reconstruct", graphs, source, "-o", tmp_path / "out", "--shards", "2", "--format", "csv")
    assert "reconstruction cannot be written as csv" in result.stderr
    few = run("encode", graphs, source, "-o", tmp_path / "few", "--shards", "9")
    assert "3 shards instead of 9" in few.stderr
    np.save(source, IMAGES.astype("float32"))
    bad = run("encode", graphs, source, "-o", tmp_path / "bad", "--shards", "2")
    assert (bad.exit_code, "image number 0 holds" in bad.stderr) == (4, True), bad.stderr
    (tmp_path / "bad/manifest.json").write_text("[]")
    assert run("encode", graphs, source, "-o", tmp_path / "bad", "--shards", "2").exit_code == 5


def test_rows_before_a_portion_are_not_decoded(graphs, tmp_path, monkeypatch):
    source = divided(str(tar(tmp_path, False)), ["image"], (28, 28, 1), Reading())
    decoded = []
    monkeypatch.setattr(
        "keras_mnist_ae.datasets.decoding.Decoder.__call__",
        lambda self, content: decoded.append(1) or np.zeros((28, 28, 1), np.uint8),
    )
    assert [len(chunk.names) for chunk in source.part(512, 700).chunks([])] == [188]
    assert len(decoded) == 188


def die_once(task, count):
    """Kills its process the first time."""
    flag, number = task
    if number == 2 and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    count(number)
    return number


def die(task, count):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_loses_nothing(tmp_path):
    found = []
    workers.each(
        die_once,
        range(5),
        lambda task: (str(tmp_path / "flag"), task),
        lambda task, result: found.append((task, result)),
        2,
        lambda count: None,
    )
    assert sorted(found) == [(at, at) for at in range(5)]


@pytest.mark.parametrize("kind", ["names", "pixels"])
def test_a_table_with_splits_keeps_the_order_of_its_rows(graphs, tmp_path, inline, kind):
    """Whole and in shards; training divides it."""
    count, images = 300, IMAGES[:300]
    splits = [["train", "val", "test"][number % 3] for number in range(count)]
    if kind == "names":
        (tmp_path / "pictures").mkdir()
        for number, image in enumerate(images):
            (tmp_path / "pictures" / f"{number:03}.png").write_bytes(png(image))
        columns = {"id": [f"{number:03}" for number in range(count)], "boxes": [[1, 2]] * count}
    else:
        columns = {f"pixel{at}": column for at, column in enumerate(images.reshape(count, -1).T)}
    parquet.write_table(pyarrow.table({"split": splits, **columns}), tmp_path / "t.parquet")
    np.save(tmp_path / "i.npy", images)
    assert run("encode", graphs, tmp_path / "i.npy", "-o", tmp_path / "true.npy").exit_code == 0
    assert run("encode", graphs, tmp_path / "t.parquet", "-o", tmp_path / "one.npy").exit_code == 0
    assert run("encode", graphs, tmp_path / "t.parquet", "-o", tmp_path / "out", "--shards", 2).exit_code == 0
    true = np.load(tmp_path / "true.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "one.npy"), true)
    np.testing.assert_array_equal(joined(tmp_path / "out"), true)
    data = datasets.load(tmp_path / "t.parquet")
    assert (len(data.train.images) - data.validation, data.validation, len(data.test.images)) == (
        100,
        100,
        100,
    )
    np.testing.assert_array_equal(data.test.images, images[2::3])


@pytest.mark.slow
def test_workers_that_die_again_and_again_are_given_up():
    with pytest.raises(KaeError, match="killed again and again"):
        workers.each(die, range(2), str, lambda *_: None, 1, lambda count: None)


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["driver", "worker", "interrupt"])
def test_killed_at_random_and_run_again(graphs, tmp_path, victim):
    """Each row once and the same bytes; no process is left."""
    psutil = pytest.importorskip("psutil")
    np.save(tmp_path / "i.npy", np.tile(IMAGES, (60, 1, 1, 1)))
    assert run("encode", graphs, tmp_path / "i.npy", "-o", tmp_path / "one.npy").exit_code == 0
    command = [sys.executable, "-m", "keras_mnist_ae", "infer", "encode", graphs, tmp_path / "i.npy"]
    command += ["-o", tmp_path / "out", "--shards", "20", "--workers", "2"]
    kills = 0
    for shards in (1, 4, 8, 12):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while process.poll() is None and len(list((tmp_path / "out").glob("*.npy"))) < shards:
            time.sleep(0.005)
        children = psutil.Process(process.pid).children() if process.poll() is None else []
        if process.poll() is None:
            kills += 1
            if victim == "worker" and children:
                children[-1].kill()
            else:
                process.send_signal(signal.SIGINT if victim == "interrupt" else signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
        if victim == "interrupt" and process.returncode:
            assert process.returncode == 130
            assert b"interrupted" in errors
            assert b"Traceback" not in errors
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive
    assert kills == 4
    assert subprocess.run(command, check=False).returncode == 0
    np.testing.assert_array_equal(joined(tmp_path / "out"), np.load(tmp_path / "one.npy"))
    assert len(os.listdir(tmp_path / "out")) == 22
