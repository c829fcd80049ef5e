"""Tables: what TOML says of them and what is refused; options from table to table; tables that
follow from a size.
"""

import itertools
import os
import tomllib
from contextlib import suppress

import keras
import numpy as np
import pytest

from keras_mnist_ae import build
from keras_mnist_ae.architecture import (
    Add,
    Branch,
    Conv,
    ConvTranspose,
    Dense,
    Dropout,
    Flatten,
    Gaussian,
    MaxPool,
    MaxUnpool,
    Recipe,
    Stack,
    Unflatten,
    Variant,
    recipes,
    toml,
    transforms,
)
from keras_mnist_ae.architecture.families import FAMILIES, conv
from keras_mnist_ae.architecture.variants import VARIANTS
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.export import weights
from keras_mnist_ae.export.onnx import emit
from keras_mnist_ae.export.parity import compare
from keras_mnist_ae.models.saving import load

ALL = sorted(VARIANTS)
SHAPES = int(os.environ.get("KAE_SHAPES", "2"))  # by hand: KAE_SHAPES=60


def read(tmp_path, text):
    file = tmp_path / "my.toml"
    file.write_text(text, encoding="utf-8")
    return toml.read(file)


@pytest.mark.parametrize("name", ALL)
def test_every_table_reads_back_as_itself_whatever_its_options(name):
    variant = VARIANTS[name]
    for changed in (
        variant,
        transforms.dropout(transforms.batch_norm(variant), 0.25),
        transforms.latent_size(variant, 7),
    ):
        assert toml.parse(tomllib.loads(toml.to_toml(changed))) == changed


DENSE = """
image = [1, 28, 28]
encoder = [ { layer = "Flatten" }, { layer = "Dense", inputs = 784, outputs = 9 } ]
decoder = [ { layer = "Dense", inputs = 9, outputs = 784 }, { layer = "Unflatten", channels = 1, height = 28, width = 28 } ]
"""


def test_shapes_parameters_and_recipe_need_not_be_given(tmp_path):
    variant = read(tmp_path, DENSE)
    assert (variant.name, variant.latent, variant.parameters) == ("my", 9, 784 * 9 * 2 + 784 + 9)
    assert variant.recipe == Recipe(10, 32, 1e-3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "784, outputs = 9",
            "700, outputs = 9",
            "encoder, row 2, Dense 700->9: takes a vector of 700, but is given 784.\n"
            "What would fit: inputs = 784",
        ),
        (
            '{ layer = "Flatten" }, ',
            "",
            'is given 1x28x28.\nWhat would fit: a row { layer = "Flatten" } before it',
        ),
        ('"Flatten"', '"Flaten"', "encoder, row 1: unknown layer 'Flaten'; did you mean 'Flatten'?"),
        (
            "outputs = 784 }",
            "outputs = 780 }",
            "decoder, row 2, Unflatten: takes a vector of 784, but is given 780",
        ),
        ("outputs = 9 }", "outputs = 0 }", "outputs is 0; give a whole number from 1 to 100,000"),
        ("outputs = 9 }", "outputs = 1000000 }", "outputs is 1000000"),
        (
            "outputs = 9 }",
            'outputs = 9, act = "gelu" }',
            "act is 'gelu'; use one of relu, tanh, sigmoid, silu",
        ),
        ("outputs = 9 }", "outputs = 9, kernel = 3 }", "has no setting 'kernel'"),
        (
            "outputs = 9 }",
            "outputs = 9, shape = [8] }",
            "encoder, row 2, Dense 784->9: the table claims 8, but 784 gives 9",
        ),
        (", outputs = 9 }", "}", "encoder, row 2, Dense: give outputs too"),
        ("inputs = 9,", "inputs = 8,", "What would fit: inputs = 9"),
        ("[1, 28, 28]", "[1, 28]", "image is [1, 28]; give [channels, height, width]"),
        ("[1, 28, 28]", "[1, 27, 28]", "row 2, Dense 784->9: takes a vector of 784, but is given 756"),
        ("image", "parameters = 3\nimage", "the table claims 3 parameters"),
        ("image", "imago = 3\nimage", "has no setting 'imago'; did you mean 'image'?"),
        ("image", 'name = "../up"\nimage', "name is '../up'"),
        ("image", "recipe = 3\nimage", "recipe is 3"),
        ("image", "recipe = { epoch = 3 }\nimage", "recipe has no setting 'epoch'; did you mean 'epochs'?"),
        ("encoder = [", "encoder = [ 3,", "encoder, row 1: unknown layer '3'"),
        ("encoder", "kodierer", "has no setting 'kodierer'"),
    ],
)
def test_table_that_cannot_be_used(tmp_path, old, new, message):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, DENSE.replace(old, new, 1))
    assert message in str(caught.value)
    assert "my.toml" in str(caught.value)


def test_table_without_weights_has_nothing_to_train(tmp_path):
    rows = 'image = [1, 4, 4]\nencoder = [ { layer = "Flatten" } ]\n'
    with pytest.raises(UsageError, match="the encoder has no layer with weights"):
        read(tmp_path, rows + 'decoder = [ { layer = "Unflatten", channels = 1, height = 4, width = 4 } ]')


def test_recipes_of_a_named_variant_are_not_those_of_a_table_of_its_name():
    own = transforms.latent_size(VARIANTS["mlp"], 5)
    assert recipes.find(VARIANTS["mlp"], "best") == recipes.BEST["mlp"]
    assert recipes.find(own, "best") != recipes.BEST["mlp"]
    assert recipes.find(own, "fast").epochs == own.recipe.epochs // 4


def test_recipe_of_a_table_is_checked_with_the_other_settings(tmp_path):
    from keras_mnist_ae.runs.config import configure

    (tmp_path / "my.toml").write_text("recipe = { epochs = 0 }\n" + DENSE)
    with pytest.raises(UsageError, match="epochs is 0"):
        configure(table=tmp_path / "my.toml")


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((Branch("a"), Flatten(), Add("a")), "is given 4, but Branch A had 1x2x2"),
        ((Add("a"),), "no Branch A is open before it"),
        ((Branch("a"), Flatten()), "Branch A has no Add"),
        ((Flatten(), Gaussian(4, 2), Dense(2, 2)), "only the last row of an encoder"),
        ((Flatten(), Dropout(1.0)), "rate is 1.0"),
        ((Conv(1, 1, k=1, s=0),), "s is 0"),
        ((Conv(1, 1, k=(1, 0)),), "k is (1, 0)"),
        ((Branch("A b"),), "name is 'A b'"),
    ],
)
def test_rows_that_make_no_sense(layers, message):
    shape = (1, 2, 2)
    rows = []
    for layer in layers:
        with suppress(ZeroDivisionError):
            shape = layer.output_shape(shape)
        rows.append((layer, shape))
    with pytest.raises(UsageError) as caught:
        Stack((1, 2, 2), tuple(rows)).check("table")
    assert message in str(caught.value)


def test_batch_norm_is_everywhere_within_and_nowhere_at_the_ends():
    changed = transforms.batch_norm(VARIANTS["conv-avgpool"])
    assert [layer.norm for layer in changed.encoder.layers if isinstance(layer, Conv)] == [True, True, False]
    assert [layer.norm for layer in changed.decoder.layers if isinstance(layer, ConvTranspose)] == [
        True,
        True,
        True,
        False,
    ]
    assert (
        changed.parameters == VARIANTS["conv-avgpool"].parameters + 16 + 32 + 32 + 16 + 8
    )  # a scale and an offset where a bias was


def test_dropout_stands_after_each_layer_within():
    changed = transforms.dropout(VARIANTS["mlp"], 0.1)
    kinds = [type(layer).__name__ for layer in changed.encoder.layers]
    assert kinds == ["Rescale", "Flatten", "Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert [type(layer).__name__ for layer in changed.decoder.layers][-3:] == [
        "Dense",
        "Unflatten",
        "Rescale",
    ]


@pytest.mark.parametrize("name", ALL)
def test_latent_size(name):
    changed = transforms.latent_size(VARIANTS[name], 5)
    assert changed.latent == 5
    assert changed.image == VARIANTS[name].image


def test_code_that_is_an_image_keeps_its_size():
    encoder = Stack.of((1, 4, 4), Conv(1, 3, k=2, s=2), Flatten())
    decoder = Stack.of((12,), Unflatten(3, 2, 2), ConvTranspose(3, 1, k=2, s=2))
    variant = Variant(
        "wide", "", encoder, decoder, encoder.parameters + decoder.parameters, Recipe(1, 1, 1.0)
    )
    with pytest.raises(UsageError, match="12 numbers, and no other size"):
        transforms.latent_size(variant, 5)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
@pytest.mark.parametrize("image", [(1, 15, 32), (1, 32, 513), (2, 32, 32), (32, 32)], ids=str)
def test_size_without_a_table(family, image):
    with pytest.raises(UsageError, match="height and width from 16 to 512"):
        family(image)


def test_depth_follows_from_the_shorter_side():
    """Halved while the shorter side is above 7: 512 becomes 4 in seven rows."""
    for name, rows in (("conv", 9), ("conv-best", 13), ("vae-conv", 10)):
        table = FAMILIES[name]((3, 512, 512), 24)
        assert [step.output for step in table.encoder][6] == (128, 4, 4)
        assert (len(table.encoder.rows), table.latent, table.decoder.output) == (rows, 24, (3, 512, 512))
    assert [conv((1, side, 512)).encoder.rows[-3][1][1:] for side in (16, 28, 29)] == [
        (4, 128),
        (7, 128),
        (7, 128),
    ]


def test_batches_shrink_with_the_images():
    """A batch holds 2^20 pixels at most, and at least 8 images."""
    sizes = [conv((3, side, side)).recipe.batch_size for side in (28, 128, 256, 512)]
    assert sizes == [64, 64, 16, 8]


def test_an_odd_side_is_restored_by_a_longer_kernel():
    assert str(conv((1, 28, 27), 8).decoder.layers[-1]) == "ConvTranspose 32->1 k4x5 s2 p1, sigmoid"


GENERATOR = np.random.default_rng(2026)
RANDOM = [
    (
        int(GENERATOR.choice([1, 3, 4])),
        int(GENERATOR.integers(16, 129)),
        int(GENERATOR.integers(16, 129)),
        int(GENERATOR.integers(2, 65)),
    )
    for _ in range(SHAPES)
]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *((name, shape) for name, shape in zip(itertools.cycle(FAMILIES), RANDOM, strict=False)),
        ("vae-conv", (3, 33, 47, 5)),
    ],
    ids=str,
)
def test_any_image_builds_trains_saves_loads_exports_and_passes_the_gate(name, shape, tmp_path):
    *image, latent = shape
    channels, height, width = image
    variant = transforms.latent_size(FAMILIES[name](tuple(image)), latent)
    pictures = np.random.default_rng(0).integers(0, 256, (16, height, width, channels), dtype=np.uint8)
    model = build(variant, seed=1)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    given = to_float(pictures)
    inputs = (given, *_drawn(latent)) if variant.variational else given
    losses = model.fit(inputs, given, batch_size=8, epochs=3, verbose=0, shuffle=False).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "model.keras")
    again = load(tmp_path / "model.keras", variant)
    np.testing.assert_allclose(
        again.predict_on_batch(given), model.predict_on_batch(given), rtol=0, atol=1e-6
    )
    files = {
        name: graph.SerializeToString(deterministic=True)
        for name, graph in emit.emit(variant, weights.read(again), {}).items()
    }
    assert all(verdict.passed for verdict in compare(again, files, pictures))


def _drawn(latent):
    """Noise and weight of the divergence for 16 images, which training draws with each batch."""
    noise = np.random.default_rng(1).standard_normal((16, latent), np.float32)
    return noise, np.ones(16, np.float32)


def test_pools_and_residual_blocks_side_by_side_export(tmp_path):
    """Every kind of row in one table, in each precision."""
    encoder = Stack.of(
        (3, 20, 24),
        *(Conv(3, 8, k=(3, 5), p=1, act="silu"), MaxPool("a"), Dropout(0.1)),
        *(
            Branch("x"),
            Conv(8, 8, k=3, p=1, norm=True, act="relu"),
            Branch("y"),
            Conv(8, 8, k=1),
            Add("y", act="tanh"),
            Add("x"),
        ),
        *(MaxPool(), Flatten(), Dense(8 * 5 * 5, 12, norm=True, act="relu"), Dense(12, 4)),
    )
    decoder = Stack.of(
        (4,), Dense(4, 8 * 10 * 11, act="silu"), Unflatten(8, 10, 11), MaxUnpool("a"), ConvTranspose(8, 3, k=(1, 3), s=1, act="sigmoid")
    )  # fmt: skip
    variant = Variant(
        "all-kinds", "", encoder, decoder, encoder.parameters + decoder.parameters, Recipe(1, 8, 1e-3)
    )
    pictures = np.random.default_rng(0).integers(0, 256, (40, 20, 24, 3), dtype=np.uint8)
    model = build(variant, seed=1)
    model.compile(optimizer="adam", loss="mse")
    model.fit(to_float(pictures), to_float(pictures), epochs=2, batch_size=8, verbose=0)
    for precision in ("float32", "float16", "int8"):
        graphs = emit.emit(
            variant, weights.read(model), {}, precision, to_float(pictures).transpose(0, 3, 1, 2)
        )
        files = {name: graph.SerializeToString(deterministic=True) for name, graph in graphs.items()}
        assert all(verdict.passed for verdict in compare(model, files, pictures, precision)), precision
    assert sum(node.op_type == "Add" for node in graphs["encoder"].graph.node) == 2
