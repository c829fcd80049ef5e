"""Steps recorded and replayed: on a processor with a recording that computes anew, on a GPU with
CUDA graphs.
"""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "torch":
    pytest.skip("the step of the torch backend", allow_module_level=True)

import torch
from support import some

from keras_mnist_ae import build, datasets
from keras_mnist_ae.architecture import transforms
from keras_mnist_ae.architecture.variants import VARIANTS, find
from keras_mnist_ae.datasets.images import to_float
from keras_mnist_ae.datasets.noise import Chance
from keras_mnist_ae.models import torch_adam
from keras_mnist_ae.models.batches import Batches
from keras_mnist_ae.models.torch_cuda_graph import FIRST, Recorded
from keras_mnist_ae.training.optimizer import WarmUpAndDecay

IMAGES = datasets.load("digits").train.images[:300]
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def compiled(variant="conv-avgpool", rate=1e-3, **options):
    model = build(variant, seed=1)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="mse", **options)
    return model


def state(model):
    return [
        variable.value
        for variable in (*model.variables, *model.optimizer.variables, *model.metrics_variables)
    ]


class Computing:
    """What a GPU does, on a processor: a recording leaves everything as it was, a replay changes
    the tensors that it gave.
    """

    def __init__(self, model):
        self.model, self.recordings, self.replays = model, 0, 0

    def __call__(self, compute):
        self.recordings += 1
        before = [tensor.clone() for tensor in state(self.model)]
        given = compute()
        with torch.no_grad():
            for tensor, value in zip(state(self.model), before, strict=True):
                tensor.copy_(value)

        def replay():
            self.replays += 1
            with torch.no_grad():
                for place, value in zip(
                    keras.tree.flatten(given), keras.tree.flatten(compute()), strict=True
                ):
                    place.copy_(value)

        return replay, given


def recording(model, record=None):
    """The model with the step that it would have on a GPU."""
    model.optimizer.build(model.trainable_variables)
    model.make_train_function()
    record = record or Computing(model)
    model.optimizer._parallel_update_step = torch_adam.recordable(model.optimizer)
    model._fast.step = Recorded(model._fast._step, record)
    return record


def batches_of(name):
    """Of 28 images: ten and one of 20; for pooling switches three, since rounding decides where
    maxima stand.
    """
    variant = find(name)
    chance = Chance(3, latent=variant.latent) if variant.variational else None
    return Batches(IMAGES[:84] if variant.switches else IMAGES, 28, 5, chance=chance)


def assert_equal(ours, theirs):
    for our, their in zip(ours.weights, theirs.weights, strict=True):
        our, their = keras.ops.convert_to_numpy(our), keras.ops.convert_to_numpy(their)
        assert np.linalg.norm(our - their) <= 1e-9 * max(np.linalg.norm(their), 1e-2), our.shape


@pytest.mark.parametrize("name", some(VARIANTS, "conv-avgpool", "conv-unpool", "vae-mlp"))
def test_replayed_steps_give_the_weights_of_plain_ones(name, float64):
    batches = batches_of(name)
    plain, replayed = compiled(name), compiled(name)
    record = recording(replayed)
    histories = [model.fit(batches, epochs=4, verbose=0).history for model in (plain, replayed)]
    for column in histories[0]:
        np.testing.assert_allclose(histories[1][column], histories[0][column], rtol=1e-9)
    assert_equal(replayed, plain)
    partial = batches.has_partial_batch
    assert record.recordings == 1 + partial
    assert record.replays == 4 * batches.num_batches - (1 + partial) * FIRST


def test_a_variational_model_fitted_by_hand_is_recorded(float64):
    """Keras draws the noise, and the weight of the divergence is a number of Python's."""
    plain, replayed = compiled("vae-mlp"), compiled("vae-mlp")
    record = recording(replayed)
    for model in (plain, replayed):
        model.fit(to_float(IMAGES), batch_size=50, epochs=2, shuffle=False, verbose=0)
    assert (record.recordings, record.replays) == (1, 12 - FIRST)
    assert_equal(replayed, plain)


def test_a_recorded_step_keeps_no_operations():
    model = compiled("vae-mlp")
    recording(model)
    x = model._fast.tensors(to_float(IMAGES[:32]), None)
    for _ in range(FIRST + 1):
        outcome = model._fast.step(*x)
    assert all(part.grad_fn is None for part in keras.tree.flatten(outcome))


def test_learning_rate_and_counter_are_read_at_each_replay(float64):
    schedule = WarmUpAndDecay(1e-2, 40, 0.2)
    plain, replayed = compiled(rate=schedule), compiled(rate=schedule)
    recording(replayed)
    for model in (plain, replayed):
        model.fit(Batches(IMAGES, 30, 5), epochs=4, verbose=0)
    assert int(replayed.optimizer.iterations) == 40
    assert_equal(replayed, plain)

    class Lower(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            self.model.optimizer.learning_rate = 1e-3 / (batch + 1)

    plain, replayed = compiled(), compiled()
    recording(replayed)
    for model in (plain, replayed):
        model.fit(Batches(IMAGES, 30, 5), epochs=2, verbose=0, callbacks=[Lower()])
    assert_equal(replayed, plain)


@pytest.mark.parametrize("step", [0, 1, 7, 8, 39, 40, 1000])
def test_schedule_of_tensors_is_that_of_numbers(step):
    schedule = WarmUpAndDecay(1e-2, 40, 0.2)
    assert float(schedule(torch.tensor(step))) == pytest.approx(schedule.at(step), rel=1e-6, abs=1e-12)


def test_logs_keep_their_values_and_metrics_are_measured():
    seen = []

    class Keep(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"])

    model = compiled(metrics=["mae"])
    recording(model)
    history = model.fit(Batches(IMAGES, 30, 5), epochs=1, verbose=0, callbacks=[Keep()]).history
    assert len({float(loss) for loss in seen}) == 10
    assert 0 < history["mae"][0] < 1


def test_state_that_is_put_back_counts(float64):
    """As after `kae resume`: what is recorded reads the tensors, not what they held."""
    model, whole = compiled(), compiled()
    recording(model)
    batches = Batches(IMAGES, 30, 5)
    model.fit(batches, epochs=1, verbose=0)
    kept = [tensor.clone() for tensor in state(model)]
    model.fit(batches, epochs=2, verbose=0)
    for variable, value in zip(
        (*model.variables, *model.optimizer.variables, *model.metrics_variables), kept, strict=True
    ):
        variable.assign(value)
    model.fit(batches, epochs=1, verbose=0)
    whole.fit(batches, epochs=2, verbose=0)
    assert_equal(model, whole)


def test_what_cannot_be_recorded_is_computed_and_told_once(float64):
    def refuse(compute):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    model, plain = compiled(), compiled()
    recording(model, refuse)
    with pytest.warns(
        UserWarning, match="steps are not recorded, .*: operation not permitted when stream is capturing$"
    ) as told:
        model.fit(Batches(IMAGES, 30, 5), epochs=1, verbose=0)
    assert sum("recorded" in str(warning.message) for warning in told) == 1
    plain.fit(Batches(IMAGES, 30, 5), epochs=1, verbose=0)
    assert_equal(model, plain)


@pytest.mark.parametrize(
    ("settings", "can"),
    [
        ({"loss": "mse"}, True),
        ({"loss": "mae"}, False),
        (
            {
                "loss": "mse",
                "optimizer": keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 10)),
            },
            False,
        ),
    ],
)
def test_only_what_sends_nothing_to_the_device_is_recorded(settings, can):
    model = build("mlp")
    model.compile(**{"optimizer": "adam", **settings})
    model.make_train_function()
    assert model._fast._is_recordable() == can


@GPU
@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_graphs_on_a_gpu_give_the_weights_of_plain_steps(name, recwarn):
    batches = batches_of(name)
    replayed, plain = compiled(name), compiled(name)
    replayed.make_train_function()
    assert isinstance(replayed._fast.step, Recorded)
    plain.make_train_function()
    plain._fast.step = plain._fast._step
    for model in (replayed, plain):
        model.fit(batches, epochs=4, verbose=0)
    assert replayed._fast.step._recordings, [str(warning.message) for warning in recwarn]
    for our, their in zip(replayed.weights, plain.weights, strict=True):
        our, their = keras.ops.convert_to_numpy(our), keras.ops.convert_to_numpy(their)
        assert np.linalg.norm(our - their) <= 1e-2 * max(np.linalg.norm(their), 1e-1)


@GPU
def test_replays_draw_a_new_mask_each_time(recwarn):
    model = compiled(transforms.dropout(find("conv-avgpool"), 0.5), rate=0.0)
    model.make_train_function()
    images = torch.from_numpy(to_float(IMAGES[:32])).cuda()
    losses = {float(model._fast.step(images, images).loss) for _ in range(20)}
    assert model._fast.step._recordings, [str(warning.message) for warning in recwarn]
    assert len(losses) > 15, losses
