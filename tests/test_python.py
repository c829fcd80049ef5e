"""The package as Python users meet it: arguments, results, messages."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest

import keras_mnist_ae as kae
from keras_mnist_ae import errors
from keras_mnist_ae.runs.settings import SETTINGS
from keras_mnist_ae.training.train import explained

GIVEN_OTHERWISE = {"variant", "table", "dataset"}  # the first two arguments


def test_train_takes_each_setting_as_an_argument_and_explains_it():
    parameters = inspect.signature(kae.train).parameters
    assert not any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    first = ["variant", "dataset", "callbacks", "optimizer", "loss"]
    assert list(parameters) == first + [name for name in SETTINGS if name not in GIVEN_OTHERWISE]
    text = " ".join(inspect.getdoc(kae.train).split())
    for name in SETTINGS:
        if name not in GIVEN_OTHERWISE:
            assert f"{name}: {explained(name)}" in text
            assert parameters[name].default is None


def test_types_of_arguments_are_those_of_the_settings():
    table = ast.parse(Path(inspect.getfile(type(SETTINGS["name"]))).with_name("settings.py").read_text())
    rows = {
        each.target.id: set(ast.unparse(each.annotation).split(" | "))
        for node in table.body
        if isinstance(node, ast.ClassDef)
        for each in node.body
        if isinstance(each, ast.AnnAssign)
    }
    for name, parameter in inspect.signature(kae.train).parameters.items():
        if name in SETTINGS and name not in GIVEN_OTHERWISE:
            taken = set(inspect.formatannotation(parameter.annotation).split(" | "))
            assert rows[name] <= taken, name
            assert "None" in taken


@pytest.mark.parametrize(
    ("message", "spoken"),
    [
        ("Go on with it (kae resume runs/a), or choose another --name.", "(kae.Run('runs/a').resume()), "),
        ("Give --batch-size 8 or less.", "Give batch_size=8 or less."),
        ("train a variant that fits them: kae train conv", "kae.train('conv')"),
        ("- `kae data get mnist --data-dir DIR` there", "`kae data get mnist --data-dir DIR`"),
        ("To go on all the same: --allow-inexact", "inexact=True"),
    ],
)
def test_messages_speak_of_arguments_in_python_and_of_options_at_the_command_line(message, spoken):
    assert spoken in str(errors.UsageError(message))
    with errors.at_command_line():
        assert str(errors.UsageError(message)) == message


def images(count=12, shape=(28, 28)):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def test_datasets_of_other_frameworks_hold_the_same_images_as_the_array():
    import torch
    from torch.utils.data import TensorDataset

    from keras_mnist_ae.datasets.frameworks import in_memory

    colour = images(shape=(8, 8, 3))
    labels = np.arange(12) % 2
    expected = kae.Dataset.from_arrays(colour, labels=labels)
    channels_first = torch.from_numpy(colour).permute(0, 3, 1, 2) / 255
    others = [
        TensorDataset(channels_first, torch.from_numpy(labels)),
        (colour, labels),
        zip(colour, labels, strict=True),
    ]
    for each in others:
        assert in_memory(each).sha256 == expected.sha256
