"""What is installed, and what is public."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import keras_mnist_ae

ROOT = Path(__file__).parents[1]
LINKS = ("export", "cli")


def links(source):
    for name in LINKS:
        (source / name).symlink_to(f"keras_mnist_ae/{name}")


def text_files(source):
    """As git writes links on Windows, unless core.symlinks is set."""
    for name in LINKS:
        (source / name).write_text(f"keras_mnist_ae/{name}")


def nothing(source):
    """As in an archive made by a program that leaves links out."""


@pytest.mark.parametrize("top", [links, text_files, nothing])
def test_wheel_holds_the_package_and_the_command_alone(tmp_path, top):
    source = tmp_path / "source"  # a copy: building leaves folders behind
    shutil.copytree(
        ROOT / "keras_mnist_ae", source / "keras_mnist_ae", ignore=shutil.ignore_patterns("__pycache__")
    )
    top(source)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    command = [*pip, "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        entry_points = archive.read(
            next(name for name in names if name.endswith("entry_points.txt"))
        ).decode()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"keras_mnist_ae"}
    assert entry_points.split() == ["[console_scripts]", "kae", "=", "keras_mnist_ae.__main__:main"]
    assert {
        "keras_mnist_ae/py.typed",
        "keras_mnist_ae/cli/main.py",
        "keras_mnist_ae/export/__init__.py",
    } <= set(names)
    site = tmp_path / "site"  # what pip does with it
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    code = "import keras_mnist_ae, keras_mnist_ae.cli.main, keras_mnist_ae.export; print(keras_mnist_ae.__file__)"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    for start, home in ((source, source), (tmp_path, site)):  # in the checkout, and as installed
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=start, env=environment, capture_output=True, text=True, check=True)
        assert Path(done.stdout.strip()) == home / "keras_mnist_ae" / "__init__.py"


def test_public_names_are_pinned():
    assert keras_mnist_ae.__all__ == [
        *("VARIANTS", "Autoencoder", "Dataset", "Recipe", "Run", "Stack", "TrainConfig", "Variant"),
        *("__version__", "analyse", "build", "calibrate", "draw", "evaluate", "explore"),
        *(
            "export_onnx",
            "generate",
            "interpolate",
            "load",
            "publish",
            "report",
            "runs",
            "score",
            "size",
            "sweep",
            "train",
        ),
    ]
    assert all(getattr(keras_mnist_ae, name) is not None for name in keras_mnist_ae.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        keras_mnist_ae.nothing  # noqa: B018


@pytest.mark.parametrize("link", LINKS)
def test_links_at_the_top_lead_into_the_package(link):
    place = ROOT / link  # a text file in a checkout on Windows
    target = place.readlink().as_posix() if place.is_symlink() else place.read_text().strip()
    assert target == f"keras_mnist_ae/{link}"
