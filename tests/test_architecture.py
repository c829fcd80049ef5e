"""The tables: what they accept, what they refuse, and how they print."""

import dataclasses
import itertools

import pytest

from keras_mnist_ae.architecture import (
    Add,
    Branch,
    Conv,
    ConvTranspose,
    Dense,
    Flatten,
    Gaussian,
    MaxPool,
    MaxUnpool,
    Recipe,
    Stack,
    Unflatten,
    Variant,
)
from keras_mnist_ae.architecture.variants import CONV_AVGPOOL, CONV_UNPOOL, MLP
from keras_mnist_ae.errors import UsageError


def stack(image, *rows) -> Stack:
    return Stack(image, rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        pytest.param(
            [(Conv(1, 4, k=3, s=2, p=1), (4, 15, 15))],
            "mine encoder, row 1, Conv 1->4 k3 s2 p1: the table claims 4x15x15, but 1x28x28 gives 4x14x14",
            id="false claim",
        ),
        pytest.param(
            [(Conv(1, 4, k=3, p=1), (4, 28, 28)), (Conv(8, 4, k=3), (4, 26, 26))],
            "mine encoder, row 2, Conv 8->4 k3 s1 p0: takes 8 channels, but is given 4x28x28",
            id="channels that do not meet",
        ),
        pytest.param(
            [(Dense(784, 4), (4,))],
            "row 1, Dense 784->4: takes a vector of 784, but is given 1x28x28",
            id="dense on an image",
        ),
        pytest.param(
            [(Flatten(), (784,)), (Conv(1, 4, k=3), (4, 26, 26))],
            "takes an image, but is given 784",
            id="conv on a vector",
        ),
        pytest.param(
            [(Conv(1, 4, k=29), (4, 0, 0))],
            "nothing is left of 1x28x28: it gives 4x0x0",
            id="kernel above the image",
        ),
        pytest.param(
            [(Conv(1, 4, k=2), (4, 27, 27)), (MaxPool("a"), (4, 13, 13))],
            "even height and width",
            id="switch of an odd image",
        ),
    ],
)
def test_false_table_is_refused_with_place_and_shapes(rows, message):
    with pytest.raises(UsageError) as caught:
        Variant("mine", "", stack((1, 28, 28), *rows), stack((4,)), 0, Recipe(1, 1, 1.0))
    assert message in str(caught.value)


def test_false_number_of_parameters_is_refused_with_both_numbers():
    with pytest.raises(
        UsageError, match="conv-avgpool: the table claims 62,904 parameters, but its rows have 62,905"
    ):
        dataclasses.replace(CONV_AVGPOOL, parameters=62_904)


def test_halves_that_do_not_meet_are_refused():
    with pytest.raises(UsageError, match="mixed: the decoder starts from 32, but the encoder has 64 there"):
        parameters = CONV_AVGPOOL.encoder.parameters + MLP.decoder.parameters
        dataclasses.replace(CONV_AVGPOOL, name="mixed", decoder=MLP.decoder, parameters=parameters)


def test_switch_without_partner_is_refused():
    rows = [
        (MaxUnpool("c") if layer == MaxUnpool("a") else layer, shape)
        for layer, shape in CONV_UNPOOL.decoder.rows
    ]
    with pytest.raises(UsageError, match="conv-unpool: the encoder makes switches"):
        dataclasses.replace(CONV_UNPOOL, decoder=Stack((64,), tuple(rows)))


def test_code_that_is_no_vector_is_refused():
    encoder = stack((1, 28, 28), (Conv(1, 1, k=28), (1, 1, 1)))
    with pytest.raises(UsageError, match="the code has shape 1x1x1"):
        Variant(
            "mine",
            "",
            encoder,
            stack((1, 1, 1), (ConvTranspose(1, 1, k=28), (1, 28, 28))),
            2 * 785,
            Recipe(1, 1, 1.0),
        )


def test_steps_have_names_of_their_own_and_shapes_that_meet():
    steps = list(CONV_UNPOOL.decoder)
    assert [step.name for step in steps] == [
        "unflatten1", "convtranspose1", "maxunpool1", "convtranspose2", "maxunpool2", "convtranspose3",
    ]  # fmt: skip
    assert all(before.output == after.input for before, after in itertools.pairwise(steps))


def test_unflatten_refuses_another_size():
    with pytest.raises(ValueError, match="takes a vector of 12"):
        Unflatten(3, 2, 2).output_shape((10,))


def test_printed_table_reads_like_the_paper():
    lines = CONV_UNPOOL.table().splitlines()
    assert lines[2].split("  ")[0] == "encoder"
    assert "Conv 1->16 k3 s1 p1, BatchNorm, ReLU" in lines[2]
    assert "MaxPool 2 (switches A)" in lines[3]
    assert lines[-1].split() == ["total", "210,465"]


def test_switches_that_cannot_be_are_refused():
    rows = list(CONV_UNPOOL.encoder.rows)
    at = next(at for at, (layer, _) in enumerate(rows) if layer == MaxPool("b"))
    shape = rows[at][1]
    rows[at + 1 : at + 1] = [(Branch("b"), shape), (Add("b"), shape)]
    with pytest.raises(UsageError, match="'b' names a branch and a switch"):
        dataclasses.replace(CONV_UNPOOL, encoder=Stack((1, 28, 28), tuple(rows)))
    size = (1, 28, 28)
    swapped = (
        Stack(size, ((MaxUnpool("a"), (1, 56, 56)), (Flatten(), (3136,)))),
        Stack((3136,), ((Unflatten(1, 56, 56), (1, 56, 56)), (MaxPool("a"), size))),
    )
    with pytest.raises(UsageError, match="an encoder has no MaxUnpool"):
        Variant("mine", "", *swapped, 0, Recipe(1, 1, 1.0))
    sampled = Stack(size, ((MaxPool("a"), (1, 14, 14)), (Flatten(), (196,)), (Gaussian(196, 4), (4,))))
    decoder = Stack(
        (4,), ((Dense(4, 196), (196,)), (Unflatten(1, 14, 14), (1, 14, 14)), (MaxUnpool("a"), size))
    )
    with pytest.raises(UsageError, match="a variational encoder makes no switches"):
        Variant("mine", "", sampled, decoder, sampled.parameters + decoder.parameters, Recipe(1, 1, 1.0))
