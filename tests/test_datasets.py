"""Datasets: what is read, from which source, and what is said when it cannot be."""

import errno
import gzip
import hashlib
import io
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from faults import Failing
from PIL import Image

from keras_mnist_ae import datasets
from keras_mnist_ae.datasets.idx import IDX_SETS, IdxFile, IdxSet
from keras_mnist_ae.errors import DataError, UsageError

REAL = os.environ.get("KAE_DATA_DIR")
NAMES = [file.name for file in IDX_SETS["mnist"].files]
SHAPES = [(7, 5, 4), (7,), (3, 5, 4), (3,)]

WITHOUT_TENSORFLOW = """
import sys
from importlib.machinery import PathFinder
class Hidden(PathFinder):
    @classmethod
    def find_spec(cls, name, *rest):
        return None if name.split(".")[0] == "tensorflow" else super().find_spec(name, *rest)
sys.meta_path[sys.meta_path.index(PathFinder)] = Hidden
"""


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("KAE_DATA_DIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@dataclass
class Tiny:
    """A set of seven and three images of 5 x 4, known to the package under the name mnist; its raw
    bytes are the oracle.
    """

    raw: dict[str, bytes]
    known: IdxSet
    folder: Path

    def write(self, name: str, content: bytes, suffix: str = "") -> Path:
        path = self.folder / "mnist" / (name + suffix)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    def write_all(self, suffix: str = "") -> None:
        for name, content in self.raw.items():
            self.write(name, packed(content) if suffix else content, suffix)

    def load(self, **options: Any) -> datasets.Dataset:
        return datasets.load("mnist", self.folder, **options)

    def check(self, found: datasets.Dataset) -> None:
        for split, images, labels in ((found.train, NAMES[0], NAMES[1]), (found.test, NAMES[2], NAMES[3])):
            assert split.labels is not None
            assert (str(split.images.dtype), str(split.labels.dtype)) == ("uint8", "int64")
            assert split.images.shape == (len(self.raw[labels]) - 8, 5, 4, 1)
            assert split.images.tobytes() == self.raw[images][16:]
            assert split.labels.tolist() == list(self.raw[labels][8:])
        assert found.image_shape == (1, 5, 4)
        assert found.classes == tuple("0123456789")
        numbers = {
            name: b"".join(struct.pack("<q", label) for label in self.raw[name][8:])
            for name in (NAMES[1], NAMES[3])
        }
        parts = (self.raw[NAMES[0]][16:], numbers[NAMES[1]], self.raw[NAMES[2]][16:], numbers[NAMES[3]])
        assert found.sha256 == hashlib.sha256(b"".join(parts)).hexdigest()


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def message(error: pytest.ExceptionInfo[Exception]) -> str:
    text = str(error.value)
    assert 2 <= len(text.splitlines()) <= 6
    return text


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    random = np.random.default_rng(1)
    raw = {}
    for name, shape in zip(NAMES, SHAPES, strict=True):
        values = random.integers(0, 256 if len(shape) == 3 else 10, shape, np.uint8).tobytes()
        raw[name] = bytes([0, 0, 8, len(shape)]) + b"".join(struct.pack(">I", n) for n in shape) + values
    files = [
        IdxFile(
            name,
            shape,
            len(packed(raw[name])),
            hashlib.sha256(packed(raw[name])).hexdigest(),
            hashlib.md5(raw[name]).hexdigest(),
        )
        for name, shape in zip(NAMES, SHAPES, strict=True)
    ]
    known = IdxSet(
        "tiny digits", "http://127.0.0.1:9/", tuple("0123456789"), (files[0], files[1], files[2], files[3])
    )
    monkeypatch.setitem(IDX_SETS, "mnist", known)
    folder = tmp_path / "data"
    folder.mkdir()
    return Tiny(raw, known, folder)


@pytest.fixture
def unpublished(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    """The same set with no md5 of its contents known, like fashion_mnist."""
    one, two, three, four = (replace(file, md5=None) for file in tiny.known.files)
    monkeypatch.setitem(IDX_SETS, "mnist", replace(tiny.known, files=(one, two, three, four)))
    return tiny


# IDX files


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_give_their_raw_pixels_and_labels(tiny: Tiny, suffix: str) -> None:
    tiny.write_all(suffix)
    tiny.check(tiny.load(download=False))


def images_header(n: int, height: int, width: int, magic: int = 0x803) -> bytes:
    return struct.pack(">4I", magic, n, height, width)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        (NAMES[0], lambda raw: raw[:-1], ["truncated", "155", "156"]),
        (NAMES[0], lambda raw: raw[:10], ["truncated", "10 bytes", "16 bytes"]),
        (NAMES[0], lambda raw: raw + b"\0", ["too long", "156"]),
        (NAMES[0], lambda raw: b"\0\0\x0d\x03" + raw[4:], ["0x00000d03", "0x00000803"]),
        (NAMES[0], lambda raw: images_header(6, 5, 4) + raw[16:], ["6 x 5 x 4", "7 x 5 x 4"]),
        (
            NAMES[0],
            lambda raw: images_header(2**32 - 1, 2**31, 4) + raw[16:],
            ["4294967295 x 2147483648 x 4", "7 x 5 x 4"],
        ),
        (NAMES[2], lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), ["not the canonical file", "md5"]),
        (NAMES[1], lambda raw: raw[:4] + struct.pack(">I", 3) + raw[8:11], ["found 3", "expected 7"]),
        (NAMES[3], lambda raw: raw[:-1] + b"\x0a", ["label 10", "0 to 9"]),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_wrong_idx_file_is_named_with_what_was_found_and_expected(
    tiny: Tiny, name: str, change: Any, says: list[str], suffix: str
) -> None:
    tiny.write_all(suffix)
    path = tiny.write(name, packed(change(tiny.raw[name])) if suffix else change(tiny.raw[name]), suffix)
    with pytest.raises(DataError) as error:
        tiny.load()
    assert all(part in message(error) for part in [str(path), f"http://127.0.0.1:9/{name}.gz", *says])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda gz: gz[:-20], "truncated"),
        (lambda gz: b"PK" + gz, "cannot be read"),
        (lambda gz: gz + b"x", "cannot be read"),
    ],
)
def test_a_damaged_archive_is_named(tiny: Tiny, change: Any, says: str) -> None:
    tiny.write_all(".gz")
    path = tiny.write(NAMES[0], change(packed(tiny.raw[NAMES[0]])), ".gz")
    with pytest.raises(DataError) as error:
        tiny.load()
    assert str(path) in message(error)
    assert says in message(error)


def test_a_gzip_bomb_is_refused_without_being_unpacked(tiny: Tiny) -> None:
    tiny.write_all(".gz")
    tiny.write(NAMES[0], packed(tiny.raw[NAMES[0]] + bytes(50_000_000)), ".gz")
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="too long"):
            tiny.load()
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_an_incomplete_set_names_the_missing_file(tiny: Tiny) -> None:
    tiny.write_all()
    (tiny.folder / "mnist" / NAMES[3]).unlink()
    with pytest.raises(DataError) as error:
        tiny.load()
    assert NAMES[3] in message(error)
    assert NAMES[2] not in message(error)
    assert NAMES[3] in datasets.available(tiny.folder)[0].where


def test_where_contents_are_unpublished_the_archive_is_checked(unpublished: Tiny) -> None:
    unpublished.write_all(".gz")
    unpublished.check(unpublished.load())
    path = unpublished.write(NAMES[0], gzip.compress(unpublished.raw[NAMES[0]], 1, mtime=1), ".gz")
    with pytest.raises(DataError) as error:
        unpublished.load()
    assert str(path) in message(error)
    assert "not the published archive" in message(error)
    path.unlink()
    unpublished.write(NAMES[0], unpublished.raw[NAMES[0]])
    unpublished.check(unpublished.load())


def test_mnist_in_the_folder_of_an_unpublished_set_is_recognised(
    unpublished: Tiny, tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(IDX_SETS, "kmnist", tiny.known)
    unpublished.write_all()
    with pytest.raises(DataError, match="contents of a file of kmnist"):
        unpublished.load()


def test_real_mnist_is_what_the_files_hold() -> None:
    if not REAL or not (Path(REAL) / "mnist").is_dir():
        pytest.skip("KAE_DATA_DIR names no folder with mnist")
    found = datasets.load("mnist", Path(REAL), download=False)
    again = datasets.load("mnist", Path(REAL), download=False)
    assert isinstance(again.train.images, np.memmap)
    assert found.sha256 == again.sha256
    for known, array in zip(
        IDX_SETS["mnist"].files,
        (again.train.images, again.train.labels, again.test.images, again.test.labels),
        strict=True,
    ):
        assert array is not None
        header = struct.pack(f">{1 + len(known.shape)}I", 0x800 + len(known.shape), *known.shape)
        assert hashlib.md5(header + array.astype(np.uint8).tobytes()).hexdigest() == known.md5
    assert found.train.images.shape == (60_000, 28, 28, 1)
    assert found.test.labels is not None
    assert found.test.labels[:5].tolist() == [7, 2, 1, 0, 4]


# Cache of decoded arrays


def spoil_keeping_size_and_time(path: Path) -> None:
    stat = path.stat()
    path.write_bytes(bytes(stat.st_size))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_the_second_load_maps_the_cache_and_reads_no_source(tiny: Tiny) -> None:
    tiny.write_all()
    tiny.load()
    spoil_keeping_size_and_time(tiny.folder / "mnist" / NAMES[0])
    second = tiny.load()
    tiny.check(second)
    assert isinstance(second.train.images, np.memmap)
    assert not second.train.images.flags.writeable
    assert sorted(path.name for path in tiny.folder.rglob("*")) == sorted([*NAMES, "mnist"])


def test_a_changed_source_is_read_again(tiny: Tiny) -> None:
    tiny.write_all()
    tiny.load()
    path = tiny.folder / "mnist" / NAMES[0]
    spoil_keeping_size_and_time(path)
    os.utime(path, ns=(0, 1))
    with pytest.raises(DataError, match="mislabelled"):
        tiny.load()


def shorten(cache: Path) -> None:
    path = cache / "train_images.npy"
    path.write_bytes(path.read_bytes()[:-1])


def exchange(cache: Path) -> None:
    np.save(cache / "test_images.npy", np.zeros((3, 5, 4, 1), np.int8))


def pickled(cache: Path) -> None:
    np.save(cache / "test_images.npy", np.array([{}], object), allow_pickle=True)


@pytest.mark.parametrize(
    "damage",
    [
        shorten,
        exchange,
        pickled,
        lambda cache: (cache / "test_labels.npy").unlink(),
        lambda cache: (cache / "test_labels.npy").write_bytes(b""),
        lambda cache: (cache / "meta.json").write_text("[]"),
        lambda cache: (cache / "meta.json").write_text("{"),
    ],
)
def test_a_broken_cache_is_made_anew(tiny: Tiny, tmp_path: Path, damage: Any) -> None:
    tiny.write_all()
    tiny.load()
    damage(next((tmp_path / "cache/keras_mnist_ae/arrays").iterdir()))
    first = tiny.load()
    assert not isinstance(first.train.images, np.memmap)
    tiny.check(first)
    second = tiny.load()
    assert isinstance(second.train.images, np.memmap)
    tiny.check(second)


def test_a_flipped_bit_in_the_cache_is_found(tiny: Tiny, tmp_path: Path) -> None:
    tiny.write_all()
    tiny.load()
    cache = next((tmp_path / "cache/keras_mnist_ae/arrays").iterdir())
    files = sorted(cache.iterdir())
    assert len(files) == 5
    chance = random.Random(0)
    for number in range(100):
        path = files[number % 5]
        content = bytearray(path.read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        tiny.check(tiny.load())


def test_a_failure_at_each_step_of_caching_costs_the_cache_alone(tiny: Tiny, tmp_path: Path) -> None:
    tiny.write_all()
    for step in range(1, 40):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        with pytest.MonkeyPatch.context() as patch:
            failing = Failing(patch, step, errno.ENOSPC)
            tiny.check(tiny.load())
        tiny.check(tiny.load())
        assert not list((tmp_path / "cache").rglob(".*")), "no temporary file stays"
        if failing.left > 0:
            break
    assert step > 15, "three calls for each of five files"


def test_an_unwritable_cache_is_done_without(tiny: Tiny, tmp_path: Path) -> None:
    tiny.write_all()
    (tmp_path / "cache").write_text("not a folder")
    tiny.check(tiny.load())
    tiny.check(tiny.load())


# Folders and names


def test_the_data_folder_is_the_argument_then_the_variable_then_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert datasets.data_folder(None) == tmp_path / "cache/keras_mnist_ae/data"
    monkeypatch.setenv("KAE_DATA_DIR", "~/images")
    assert datasets.data_folder(None) == Path.home() / "images"
    assert datasets.data_folder(tmp_path) == tmp_path


def test_a_named_folder_must_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError) as error:
        datasets.load("mnist", tmp_path / "nowhere")
    assert str(tmp_path / "nowhere") in message(error)
    monkeypatch.setenv("KAE_DATA_DIR", str(tmp_path / "neither"))
    with pytest.raises(DataError) as error:
        datasets.available(None)
    assert "KAE_DATA_DIR" in message(error)
    assert not (tmp_path / "neither").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mnits", "'mnist'"),
        ("Fashion-MNIST", "'fashion_mnist'"),
        ("digit", "'digits'"),
        ("tfds:../../x", "tfds:NAME"),
        ("tfds:a/..", "tfds:NAME"),
    ],
)
def test_an_unknown_name_is_a_usage_error_with_the_nearest_one(name: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        datasets.load(name)
    assert says in message(error)


def test_importing_the_module_loads_nothing_heavy() -> None:
    code = "import sys, keras_mnist_ae.datasets; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["tensorflow_datasets", "tensorflow", "sklearn", "skimage", "keras", "torch", "jax", "requests"]
    assert (
        subprocess.run(
            [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


# Digits


def test_digits_are_those_of_scikit_learn_enlarged() -> None:
    from sklearn.datasets import load_digits

    original = load_digits()
    found = datasets.load("digits", Path("/does/not/exist"))
    images = np.concatenate([found.train.images, found.test.images])
    assert found.train.labels is not None
    assert found.test.labels is not None
    assert (found.train.images.shape, found.test.images.shape) == ((1437, 28, 28, 1), (360, 28, 28, 1))
    assert [*found.train.labels, *found.test.labels] == original.target.tolist()
    assert (str(images.dtype), images.min(), images.max()) == ("uint8", 0, 255)
    centres = np.rint((np.arange(8) + 0.5) * 3.5 - 0.5).astype(
        int
    )  # where the middle of each old pixel has gone
    kept = images[:, centres][:, :, centres, 0] / 255 * 16
    assert np.corrcoef(kept.ravel(), original.images.ravel())[0, 1] > 0.98
    assert found.sha256 == datasets.load("digits").sha256
    assert not found.train.images.flags.writeable


# Download


@dataclass
class Server:
    """A loopback server: `bodies` by path, each without its last `cut` bytes; it answers `status`,
    or nothing until `mute` is set.
    """

    url: str
    bodies: dict[str, bytes]
    cut: int = 0
    status: int = 200
    mute: threading.Event | None = None
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            if state.mute:
                state.mute.wait(20)
                return
            body = state.bodies[self.path]
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) - state.cut])

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = Server(
        f"http://127.0.0.1:{http.server_port}/",
        {f"/{name}.gz": packed(raw) for name, raw in tiny.raw.items()},
    )
    thread = threading.Thread(target=http.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setitem(IDX_SETS, "mnist", replace(tiny.known, url=state.url))
    yield state
    if state.mute:
        state.mute.set()
    http.shutdown()
    http.server_close()
    thread.join()


def leftovers(folder: Path) -> list[str]:
    """What stands in the TFDS folder beside the prepared set; archives and half-prepared sets do
    not stay.
    """
    return [
        path.name
        for path in (folder / "tfds").rglob("*")
        if path.is_dir() and path.name not in ("kae_idx", ".config", "mnist", "1.0.0")
    ]


def test_a_download_is_prepared_once_and_equals_the_idx_files(
    tiny: Tiny, server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert datasets.available(tiny.folder)[0].where == "not here: kae data get mnist"
    first = tiny.load()
    assert capfd.readouterr() == ("", f"fetching mnist into {tmp_path / 'data' / 'tfds'}\n")
    tiny.check(first)
    assert sorted(server.asked) == sorted(server.bodies)
    assert datasets.available(tiny.folder)[0].where.startswith(f"prepared in {tiny.folder}")
    assert datasets.available(tiny.folder)[-2].where == "not here: kae data get tfds:NAME"
    assert not list(tmp_path.glob("tmp*"))
    assert not leftovers(tiny.folder)
    second = tiny.load()
    assert isinstance(second.train.images, np.memmap)
    tiny.check(second)
    for path in sorted((tmp_path / "cache").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    tiny.check(tiny.load(download=False))
    assert len(server.asked) == 4


def break_truncated(server: Server) -> None:
    server.cut = 5


def break_checksum(server: Server) -> None:
    server.bodies = {path: body[:-1] + b"?" for path, body in server.bodies.items()}


def break_missing(server: Server) -> None:
    server.status = 404


def break_failing(server: Server) -> None:
    server.status = 503


def break_mute(server: Server) -> None:
    server.mute = threading.Event()


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (break_truncated, "truncated"),
        (break_checksum, "wrong checksum"),
        (break_missing, "404"),
        (break_failing, "503"),
        (break_mute, "does not answer"),
    ],
)
def test_a_failed_download_says_why_gives_the_ways_out_and_can_be_repeated(
    tiny: Tiny, server: Server, monkeypatch: pytest.MonkeyPatch, break_it: Any, says: str
) -> None:
    from keras_mnist_ae.datasets import tfds_limits

    monkeypatch.setattr(tfds_limits, "TIMEOUT", (0.3, 0.3))
    bodies = dict(server.bodies)
    break_it(server)
    with pytest.raises(DataError) as error:
        tiny.load()
    reasons = ["truncated", "wrong checksum", "404", "503", "does not answer", "cannot be reached"]
    told = message(error).replace(server.url, "")  # a port may hold the digits of a status
    assert [reason for reason in reasons if reason in told] == [says]
    assert server.url in message(error)
    assert len(server.asked) <= 2 * len(bodies)
    assert all(
        way in message(error)
        for way in (f"{tiny.folder}/mnist/", "kae data get mnist --data-dir", "dataset='digits'")
    )
    assert not leftovers(tiny.folder)
    with pytest.raises(DataError):
        tiny.load(download=False)
    if server.mute:
        server.mute.set()
    server.bodies, server.cut, server.status, server.mute = bodies, 0, 200, None
    tiny.check(tiny.load())


def test_no_network_gives_the_three_ways_out(tiny: Tiny) -> None:
    with pytest.raises(DataError) as error:
        tiny.load()
    assert "http://127.0.0.1:9/" in message(error)
    assert "cannot be reached" in message(error)
    assert all(
        way in message(error)
        for way in (f"{tiny.folder}/mnist/", "kae data get mnist --data-dir", "dataset='digits'")
    )


def test_without_download_nothing_is_asked(tiny: Tiny, server: Server) -> None:
    with pytest.raises(DataError, match="digits"):
        tiny.load(download=False)
    assert not server.asked
    assert not (tiny.folder / "tfds").exists()


def test_no_tensorflow_is_needed_nor_loaded(tiny: Tiny, server: Server) -> None:
    code = f"""{WITHOUT_TENSORFLOW}
from pathlib import Path
from keras_mnist_ae import datasets
from keras_mnist_ae.datasets.idx import IDX_SETS, IdxFile, IdxSet
IDX_SETS["mnist"] = {IDX_SETS["mnist"]!r}
print(datasets.load("mnist", Path({str(tiny.folder)!r})).sha256)
assert "tensorflow" not in sys.modules
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (found.returncode, found.stderr) == (0, f"fetching mnist into {tiny.folder / 'tfds'}\n")
    tiny.write_all()
    assert found.stdout == tiny.load().sha256 + "\n"


# Other datasets of TensorFlow Datasets


class KaeTestColours(tfds.core.GeneratorBasedBuilder):
    """Five and two images of 2 x 3 with three channels, PNG as they all are, under splits named
    train and validation.
    """

    VERSION = tfds.core.Version("1.0.0")
    IMAGES = np.random.default_rng(2).integers(0, 256, (7, 2, 3, 3), np.uint8)

    def _info(self) -> Any:
        label = tfds.features.ClassLabel(names=["red", "blue"])
        features = {
            "image": tfds.features.Image(shape=(2, 3, 3)),
            "label": label,
            "text": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
        )

    def _split_generators(self, _: Any) -> Any:
        return {"train": self._generate_examples(0, 5), "validation": self._generate_examples(5, 7)}

    def _generate_examples(self, first: int, end: int) -> Any:
        for index in range(first, end):
            png = io.BytesIO()
            Image.fromarray(self.IMAGES[index]).save(png, "PNG")
            yield index, {"image": png.getvalue(), "label": index % 2, "text": "x"}


class KaeTestBare(KaeTestColours):
    """Without class labels."""

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"image": tfds.features.Image(shape=(2, 3, 3))})
        )

    def _generate_examples(self, first: int, end: int) -> Any:
        return (
            (index, {"image": record["image"]}) for index, record in super()._generate_examples(first, end)
        )


class KaeTestAlone(KaeTestBare):
    """Without a second split."""

    def _split_generators(self, _: Any) -> Any:
        return {"train": self._generate_examples(0, 2)}


class KaeTestSizes(KaeTestColours):
    """Images of any size."""

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self, features=tfds.features.FeaturesDict({"image": tfds.features.Image()})
        )


class KaeTestArrays(KaeTestColours):
    """Its images are arrays, which TFDS lets TensorFlow encode."""

    def _generate_examples(self, first: int, end: int) -> Any:
        return (
            (index, {**record, "image": self.IMAGES[index]})
            for index, record in super()._generate_examples(first, end)
        )


class KaeTestFaulty(KaeTestColours):
    """Its preparation fails."""

    def _split_generators(self, _: Any) -> Any:
        raise AssertionError("put\nthe files there by hand")


def test_another_dataset_of_theirs_is_prepared_and_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="kae data get tfds:kae_test_colours"):
        datasets.load("tfds:kae_test_colours", tmp_path, download=False)
    for _ in range(2):
        found = datasets.load("tfds:kae_test_colours", tmp_path)
        assert found.train.images.tobytes() == KaeTestColours.IMAGES[:5].tobytes()
        assert found.test.images.tobytes() == KaeTestColours.IMAGES[5:].tobytes()
        assert found.train.labels is not None
        assert (found.train.labels.tolist(), found.classes, found.image_shape) == (
            [0, 1, 0, 1, 0],
            ("red", "blue"),
            (3, 2, 3),
        )
    assert isinstance(found.train.images, np.memmap)
    assert datasets.available(tmp_path)[-2].where == f"prepared in {tmp_path / 'tfds'}: kae_test_colours"


def test_without_class_labels_there_are_none(tmp_path: Path) -> None:
    for _ in range(2):
        found = datasets.load("tfds:kae_test_bare", tmp_path)
        assert (len(found.train.images), found.train.labels, found.test.labels, found.classes) == (
            5,
            None,
            None,
            (),
        )


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("tfds:kae_test_alone", DataError, ["no splits train and test", "It has: train"]),
        ("tfds:kae_test_sizes", DataError, ["'image'", "(None, None, 3)"]),
        ("tfds:kae_test_faulty", DataError, ["put the files there by hand", "dataset='digits'"]),
        ("tfds:kae_test_colour", UsageError, ["tfds:kae_test_colours"]),
    ],
)
def test_a_dataset_of_theirs_that_does_not_fit_is_refused(
    tmp_path: Path, name: str, error: type[Exception], says: list[str]
) -> None:
    with pytest.raises(error) as caught:
        datasets.load(name, tmp_path)
    assert all(part in message(caught) for part in says)


def test_damaged_prepared_files_are_named(tmp_path: Path) -> None:
    datasets.load("tfds:kae_test_colours", tmp_path)
    path = next(tmp_path.glob("tfds/kae_test_colours/*/*array_record*"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=re.escape(str(path.parent))):
        datasets.load("tfds:kae_test_colours", tmp_path)


def test_tensorflow_is_asked_for_only_where_it_is_needed(tmp_path: Path) -> None:
    code = f"""{WITHOUT_TENSORFLOW}
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_datasets
from keras_mnist_ae import datasets, errors
print(len(datasets.load("tfds:kae_test_colours", {str(tmp_path)!r}).train.images))
try:
    datasets.load("tfds:kae_test_arrays", {str(tmp_path)!r})
except errors.MissingDependencyError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert all(line.startswith("fetching tfds:") for line in found.stderr.splitlines())
    number, *text = found.stdout.splitlines()
    assert (number, len(text)) == ("5", 2)
    assert "pip install 'keras_mnist_ae[tensorflow]'" in text[1]
