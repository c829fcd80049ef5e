"""Readers over whatever bytes there may be: what was written comes back, anything else is refused
in the reader's own words.

For longer, by hand: KAE_EXAMPLES=100000 pytest tests/test_properties.py.
"""

import gzip
import io
import os
import struct
import tempfile
import tomllib
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from keras_mnist_ae.architecture import toml
from keras_mnist_ae.datasets import idx
from keras_mnist_ae.datasets.idx import IdxFile, IdxSet
from keras_mnist_ae.errors import CorruptFileError, DataError, UsageError
from keras_mnist_ae.export import screening
from keras_mnist_ae.runs import checkpoints, config
from keras_mnist_ae.runs.config import TrainConfig, configure
from keras_mnist_ae.system import npy

settings.register_profile(
    "kae", max_examples=int(os.environ.get("KAE_EXAMPLES", "150")), deadline=None, derandomize=True
)
settings.load_profile("kae")

NUMBERS = hnp.arrays(
    st.sampled_from(["u1", "<f4", "<i8"]), hnp.array_shapes(min_dims=0, max_dims=4, max_side=5)
)
IMAGES, LABELS = IdxFile("images", (3, 2, 2), 0, ""), IdxFile("labels", (3,), 0, "")
TINY = IdxSet("tiny", "http://localhost/", ("a", "b"), (IMAGES, LABELS, IMAGES, LABELS))
TRUE = struct.pack(">4I", 0x803, 3, 2, 2) + bytes(range(12))


@pytest.fixture(scope="module")
def path():
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "file"


def mutated(content):
    """The content with bytes changed, cut or put in anywhere."""
    edit = st.tuples(st.integers(0, len(content)), st.integers(0, 4), st.binary(max_size=4))

    def apply(edits):
        found = content
        for at, removed, put in edits:
            found = found[:at] + put + found[at + removed :]
        return found

    return st.lists(edit, max_size=4).map(apply)


def saved(array):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


TABLE = """image = [1, 2, 2]
recipe = { epochs = 3 }
encoder = [
  { layer = "Conv", inputs = 1, outputs = 2, k = 2, act = "relu" }, { layer = "Flatten" }, { layer = "Dense", inputs = 2, outputs = 3 },
]
decoder = [ { layer = "Dense", inputs = 3, outputs = 4 }, { layer = "Unflatten", channels = 1, height = 2, width = 2 } ]
"""


@given(st.one_of(mutated(TABLE.encode()), st.binary(max_size=60)))
def test_table_of_any_bytes_is_a_variant_or_refused_in_words(path, content):
    path.write_bytes(content)
    try:
        variant = toml.read(path)
    except UsageError:
        return
    assert toml.parse(tomllib.loads(toml.to_toml(variant))) == variant
    assert variant.table()
    assert str(variant.recipe)


VALUES = st.recursive(
    st.one_of(
        st.integers(),
        st.floats(),
        st.booleans(),
        st.text(max_size=8),
        st.sampled_from(["Conv", "Dense", "Flatten", "relu"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["layer", "inputs", "outputs", "k", "shape"]), inner),
    ),
    max_leaves=8,
)
KEYS = ["name", "summary", "note", "parameters", "image", "recipe", "encoder", "decoder"]


@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_table_of_any_values_is_a_variant_or_refused_in_words(given_values):
    base = tomllib.loads(TABLE)
    for table in (given_values, {**base, **given_values}):
        with suppress(UsageError):
            toml.parse(table)


@given(NUMBERS)
def test_arrays_come_back(array):
    stream = io.BytesIO(saved(array))
    np.testing.assert_array_equal(npy.rows(stream, *npy.header(stream)), array)


@given(st.one_of(st.binary(), mutated(saved(np.arange(6.0).reshape(2, 3)))))
def test_other_bytes_are_no_array(content):
    stream = io.BytesIO(content)
    try:
        array = npy.rows(stream, *npy.header(stream))
    except ValueError:
        return
    assert array.nbytes <= len(content)
    assert not array.dtype.hasobject


@given(st.one_of(st.binary(), mutated(TRUE)), st.booleans())
@example(TRUE, False)
@example(TRUE, True)
def test_idx_files_are_what_they_say_or_refused(path, content, packed):
    file = path.with_suffix(".gz" if packed else ".idx")
    file.write_bytes(gzip.compress(content) if packed else content)
    known = IdxFile("images", (3, 2, 2), file.stat().st_size, "", md5=None)
    try:
        array = idx._read(file, known, TINY)
    except DataError:
        return
    assert array.tobytes() == content[16:]
    assert content[:16] == TRUE[:16]


@given(st.binary())
def test_archives_of_any_bytes_are_read_or_refused(path, content):
    file = path.with_suffix(".gz")
    file.write_bytes(content)
    with pytest.raises(DataError):
        idx._read(file, IMAGES, TINY)


TOML = b'variant = "mlp"\nbackend = "jax"\nepochs = 3\nlearning_rate = 0.001\nlimit = 5\n'


@given(st.one_of(st.binary(), st.text().map(str.encode), mutated(TOML)))
def test_toml_is_a_config_or_refused(path, content):
    file = path.with_suffix(".toml")
    file.write_bytes(content)
    try:
        found = configure(file)
    except UsageError:
        return
    assert isinstance(found, TrainConfig)


@given(
    st.fixed_dictionaries(
        {
            "epochs": st.integers(1, 10**6),
            "batch_size": st.integers(1, 10**6),
            "learning_rate": st.floats(1e-9, 1e3),
            "seed": st.integers(0, 2**62),
            "dataset": st.text(min_size=1).filter(lambda text: text.isprintable()),
            "checkpoint_every": st.one_of(st.none(), st.integers(1, 9999).map("{}s".format)),
        }
    )
)
def test_settings_come_back(path, settings):
    made = configure(variant="mlp", backend="jax", **settings)
    file = path.with_suffix(".toml")
    file.write_text(made.to_toml(), encoding="utf-8")
    assert configure(file) == made
    assert set(config.read(file)) <= set(asdict(made))


@given(st.one_of(st.binary(), mutated(b"\x08\x08\x3a\x02\x0a\x00")))
def test_onnx_files_of_any_bytes_are_refused(content):
    with pytest.raises(ValueError, match=r".+"):
        screening.screened(content)


@given(st.binary())
def test_checkpoints_of_any_bytes_are_refused(path, content):
    file = path.with_suffix(".npz")
    file.write_bytes(content)
    with pytest.raises(CorruptFileError):
        checkpoints._read(file)
