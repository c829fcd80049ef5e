"""Readers given valid files with a few bytes changed: no exception but the package's own, no hang,
no growth. By hand: python tests/fuzz.py --count 2000 --folder DIR.
"""

import argparse
import hashlib
import json
import random
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from keras_mnist_ae.errors import KaeError

MOST = 512 * 2**20  # bytes beyond what the process has
SECONDS = 5
FINE = ("refused", "read")
PICTURES = ("png", "jpg", "tif", "webp", "bmp", "gif", "ppm", "jp2", "tga")
DATA = ("npy", "npz", *PICTURES, "pages", "csv", "parquet", "tar", "idx")
RUN = (
    *("config.toml", "metrics.json", "history.csv", "environment.json", "variant.toml", "model.keras"),
    *("samples.npz", "calibration.json", "scoring.npz", "checkpoints/000000-00000001.npz"),
)
GRAPHS = ("encoder.onnx", "autoencoder.onnx")
TEXTS = ("checksums.json", "manifest.json", "table", "settings")
NAMES = (*DATA, *RUN, *GRAPHS, *(f"{name} unsigned" for name in (*RUN, *GRAPHS)), *TEXTS)
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)


class Target(NamedTuple):
    """A valid file below the folder, and what reads it; `tell` makes it known to whatever holds its
    checksum, so that the reader sees more than that. Without it a checksum that is `known` speaks
    against any change.
    """

    path: Path
    read: Callable[[], Any]
    tell: Callable[[], Any] = lambda: None
    known: bool = False


class Slow(BaseException):
    """A reader took more than `SECONDS`."""


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The bytes with one to eight of: a bit flipped, a number set, a part cut, repeated, moved or
    replaced.
    """
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 8))):
        at = (
            chance.randrange(len(data) + 1)
            if chance.random() < 0.5
            else chance.randrange(min(len(data), 256) + 1)
        )
        length = chance.choice((1, 2, 4, 8, 64, len(data) // 3))
        match chance.randrange(7):
            case 0 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                size = chance.choice((1, 2, 4, 8))
                number = chance.choice(INTERESTING) & (256**size - 1)
                data[at : at + size] = number.to_bytes(size, chance.choice(("big", "little")))
            case 2:
                del data[at:]
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = data[at : at + length]
            case 5:
                data[at : at + length] = chance.randbytes(length)
            case _:
                part = bytes(data[at : at + length])
                del data[at : at + length]
                place = chance.randrange(len(data) + 1)
                data[place:place] = part
    return bytes(data)


@contextmanager
def limited() -> Iterator[None]:
    """Little memory and little time."""

    def late(signum: int, frame: Any) -> None:
        raise Slow

    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MOST, before[1]))
    handler = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)
        resource.setrlimit(resource.RLIMIT_AS, before)


def attack(target: Target, count: int, seed: int) -> Iterator[tuple[int, str, str]]:
    """Read so many mutations of a file; number, outcome and what went wrong of each."""
    true = target.path.read_bytes()
    try:
        for number in range(count):
            content = mutated(true, random.Random(f"{seed} {target.path.name} {number}"))
            if content == true:
                continue
            target.path.write_bytes(content)
            target.tell()
            try:
                with limited():
                    target.read()
            except KaeError as error:
                long = len(str(error)) > 1200 or len(str(error).splitlines()) > 6
                yield number, "long" if long else "refused", str(error)[:2000]
            except Slow:
                yield number, "slow", ""
            except BaseException:
                yield number, "broken", traceback.format_exc(limit=-6)
            else:
                yield number, "unseen" if target.known else "read", ""
    finally:
        target.path.write_bytes(true)
        target.tell()


def data_targets(folder: Path) -> dict[str, Target]:
    """Images of every format."""
    from PIL import Image

    from keras_mnist_ae.datasets import user_files
    from keras_mnist_ae.datasets.reading import Reading

    images = np.random.default_rng(0).integers(0, 256, (6, 12, 12), np.uint8)
    found: dict[str, Target] = {}

    def add(name: str, path: Path, root: Path | None = None, **reading: Any) -> None:
        def read() -> Any:
            return user_files.find(root or path).read(Reading(**reading))

        found[name] = Target(path, read)

    def place(name: str) -> Path:
        (folder / name).mkdir(parents=True)
        return folder / name

    np.save(place("npy") / "a.npy", images)
    add("npy", folder / "npy" / "a.npy")
    np.savez_compressed(place("npz") / "a.npz", images=images, labels=np.arange(6) % 2)
    add("npz", folder / "npz" / "a.npz")
    for suffix in PICTURES:
        root = place(suffix)
        for number, image in enumerate(images):
            Image.fromarray(image).save(root / f"{number}.{suffix}")
        add(suffix, root / f"3.{suffix}", root)
    pages = [Image.fromarray(image) for image in images]
    pages[0].save(place("pages") / "a.tif", save_all=True, append_images=pages[1:])
    add("pages", folder / "pages" / "a.tif")
    rows = images.reshape(6, -1)
    np.savetxt(place("csv") / "a.csv", np.c_[np.arange(6) % 2, rows], "%d", ",")
    add("csv", folder / "csv" / "a.csv")
    _parquet(place("parquet") / "a.parquet", rows)
    add("parquet", folder / "parquet" / "a.parquet")
    _tar(place("tar") / "a.tar", folder / "png")
    add("tar", folder / "tar" / "a.tar")
    for part, magic in (("images-idx3", 2051), ("labels-idx1", 2049)):
        for split in ("train", "t10k"):
            path = folder / "idx" / f"{split}-{part}-ubyte"
            path.parent.mkdir(exist_ok=True)
            sizes = (6, 12, 12) if magic == 2051 else (6,)
            values = images if magic == 2051 else np.arange(6, dtype=np.uint8)
            path.write_bytes(
                b"".join(number.to_bytes(4, "big") for number in (magic, *sizes)) + values.tobytes()
            )
    add("idx", folder / "idx" / "train-images-idx3-ubyte", folder / "idx")
    return found


def _parquet(path: Path, rows: np.ndarray) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({f"pixel{at}": column for at, column in enumerate(rows.T)}), path)


def _tar(path: Path, pictures: Path) -> None:
    import tarfile

    with tarfile.open(path, "w") as archive:
        for picture in sorted(pictures.iterdir()):
            archive.add(picture, picture.name)


def run_targets(folder: Path) -> dict[str, Target]:
    """Every file of a run and of its export."""
    import keras_mnist_ae as kae
    from keras_mnist_ae.architecture import toml
    from keras_mnist_ae.export.runtime import OnnxAutoencoder
    from keras_mnist_ae.reporting import scorers
    from keras_mnist_ae.runs import checkpoints, checksums, config
    from keras_mnist_ae.runs.checkpoints import Checkpoint
    from keras_mnist_ae.runs.samples import read_samples

    made = kae.train("mlp", "digits", limit=64, epochs=1, validation=20, runs_dir=folder, name="run")
    made.calibrate(false_alarms=0.1)
    made.export_onnx(images=8)
    checkpoints.save(made, Checkpoint(0, 1, 0.5, made.history, [np.ones((2, 3))]))
    at, onnx, images = made.path, made.path / "onnx", np.zeros((2, 28, 28, 1), np.float32)

    def summary() -> None:
        run = kae.Run(at)
        _ = (run.config, run.metrics, run.history, run.environment, run.variant)

    def signed(name: str) -> None:
        checksums.allow(at, name, at / name)

    def with_statistics() -> None:
        """The calibration knows the statistics, the run both."""
        facts = json.loads((at / "calibration.json").read_text())
        facts["statistics_sha256"] = checksums.sha256(at / "scoring.npz")
        (at / "calibration.json").write_text(json.dumps(facts))
        signed("calibration.json")
        signed("scoring.npz")

    def listed(name: str) -> None:
        manifest = json.loads((onnx / "manifest.json").read_text())
        for graph in manifest["graphs"]:
            if graph["file"] == name:
                graph["sha256"] = hashlib.sha256((onnx / name).read_bytes()).hexdigest()
        (onnx / "manifest.json").write_text(json.dumps(manifest))

    readers = {
        **dict.fromkeys(RUN[:5], summary),
        "model.keras": lambda: kae.Run(at).model,
        "samples.npz": lambda: read_samples(kae.Run(at)),
        "calibration.json": lambda: scorers.of_run(kae.Run(at)).scorer(images),
        "scoring.npz": lambda: scorers.of_run(kae.Run(at)).scorer(images),
        RUN[-1]: lambda: checkpoints.newest(kae.Run(at)),
    }
    found = {name: Target(at / name, read, partial(signed, name)) for name, read in readers.items()}
    found["scoring.npz"] = found["scoring.npz"]._replace(tell=with_statistics)
    # those that a checksum speaks against, and a checksum that speaks against itself
    found |= {f"{name} unsigned": Target(at / name, read, known=True) for name, read in readers.items()}
    found["checksums.json"] = Target(at / "checksums.json", summary)
    for name in GRAPHS:
        found[name] = Target(onnx / name, lambda: OnnxAutoencoder(onnx).load(), partial(listed, name))
        found[f"{name} unsigned"] = Target(onnx / name, lambda: OnnxAutoencoder(onnx).load(), known=True)
    found["manifest.json"] = Target(onnx / "manifest.json", lambda: OnnxAutoencoder(onnx).encode(images))
    table, settings = folder / "table.toml", folder / "settings.toml"
    shutil.copy(at / "variant.toml", table)
    shutil.copy(at / "config.toml", settings)
    found["table"] = Target(table, lambda: toml.read(table))
    found["settings"] = Target(settings, lambda: config.configure(settings))
    return found


def targets(folder: Path) -> dict[str, Target]:
    """All of them, made in a new folder."""
    return {**data_targets(folder / "data"), **run_targets(folder / "runs")}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="mutations of each file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of targets")
    parser.add_argument("--folder", type=Path, required=True, help="a new folder to work in")
    options = parser.parse_args()
    found, bad = targets(options.folder), 0
    for name in options.only or found:
        begin, outcomes = time.monotonic(), Counter[str]()
        for number, outcome, why in attack(found[name], options.count, options.seed):
            outcomes[outcome] += 1
            if outcome not in FINE:
                bad += 1
                print(f"{name} {number}: {outcome}\n{why}", flush=True)
        print(f"{name}: {dict(outcomes)}, {time.monotonic() - begin:.0f} s", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
