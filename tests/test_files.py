"""Whole or not there: what a failure at any moment of a write leaves behind."""

import io
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from keras_mnist_ae.errors import WriteError
from keras_mnist_ae.system import npy
from keras_mnist_ae.system.atomic import replacing, sweep, write_text


def test_new_content_takes_the_old_ones_place(tmp_path):
    path = tmp_path / "new folder" / "file.txt"
    write_text(path, "old")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert os.listdir(path.parent) == ["file.txt"]


@pytest.mark.parametrize("failing", ["write", "fsync", "rename"])
def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch, failing):
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    match failing:
        case "write":
            monkeypatch.setattr("pathlib.Path.write_text", full)
        case "fsync":
            monkeypatch.setattr("os.fsync", full)
        case "rename":
            monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(WriteError, match=r"file\.txt: No space left on device"):
        write_text(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_exception_of_the_writer_keeps_the_old_file(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file.bin"]


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="cannot write"):
        write_text(tmp_path / "file" / "inner.txt", "text")


def test_leftovers_of_killed_writers_go_and_files_of_the_user_stay(tmp_path):
    path = tmp_path / "metrics.json"
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from keras_mnist_ae.system.atomic import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".json"
    kept = [".notes.1.txt", ".cache.2024", ".env.3", ".hidden"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    sweep(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.parametrize("method", ["ZIP_STORED", "ZIP_DEFLATED", "ZIP_BZIP2", "ZIP_LZMA"])
def test_damaged_archives_raise_what_callers_expect(tmp_path, method):
    path = tmp_path / "arrays.npz"
    content = io.BytesIO()
    np.save(content, np.random.default_rng(0).random(500))
    with zipfile.ZipFile(path, "w", getattr(zipfile, method)) as archive:
        archive.writestr("a.npy", content.getvalue())
    whole = path.read_bytes()
    generator = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for place in generator.integers(0, len(whole), 3):
            damaged[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(damaged)
        try:
            npy.archive(path)
        except (ValueError, OSError):
            refused += 1
    assert refused > 50
