"""The package as Python users meet it: arguments, results, messages."""

import ast
import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import keras_mnist_ae as kae
from keras_mnist_ae import errors
from keras_mnist_ae.datasets.catalog import load
from keras_mnist_ae.datasets.frameworks import in_memory
from keras_mnist_ae.datasets.reading import Fit, Reading
from keras_mnist_ae.errors import DataError
from keras_mnist_ae.runs.config import configure
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
        ("`--dataset digits` needs no download", "`dataset='digits'` needs no download"),
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
    from PIL import Image
    from torch.utils.data import DataLoader, TensorDataset

    colour = images(shape=(8, 8, 3))
    labels = np.arange(12) % 2
    expected = kae.Dataset.from_arrays(colour, labels=labels)
    channels_first = torch.from_numpy(colour).permute(0, 3, 1, 2) / 255
    tensors = TensorDataset(channels_first, torch.from_numpy(labels))
    others = [
        tensors,
        DataLoader(tensors, batch_size=5),
        (colour, labels),
        zip(colour, labels, strict=True),
        list(zip(colour, labels, strict=True)),
        [
            {"image": Image.fromarray(image), "label": label}
            for image, label in zip(colour, labels, strict=True)
        ],
    ]
    for each in others:
        assert in_memory(each, Reading()).sha256 == expected.sha256
    both = kae.Dataset.from_arrays(colour, colour[:5], labels=labels, test_labels=labels[:5])
    assert in_memory(((colour, labels), (colour[:5], labels[:5])), Reading()).sha256 == both.sha256
    grey = images(shape=(8, 8))
    expected = kae.Dataset.from_arrays(grey, labels=labels)
    for size in (3, 5, 11):  # the last batches of which hold 3, 2 and 1 images
        tensors = TensorDataset(torch.from_numpy(grey), torch.from_numpy(labels))
        assert in_memory(DataLoader(tensors, batch_size=size), Reading()).sha256 == expected.sha256
    assert in_memory({"image": grey, "label": labels}, Reading()).sha256 == expected.sha256
    palette = [Image.fromarray(image).convert("P", palette=Image.Palette.ADAPTIVE) for image in colour]
    for each in (palette, iter(palette)):
        assert in_memory(each, Reading()).image_shape == (3, 8, 8), "colours, not numbers of a palette"


def test_axes_of_arrays_are_found_as_in_files(tmp_path, capsys):
    """Rows, channels first and stated shapes: one rule for arrays in memory and .npy files."""
    grey, colour, wide = images(shape=(8, 8)), images(shape=(8, 10, 3)), images(shape=(4, 6))
    for given, shape, expected in (
        (grey, None, grey[..., None]),
        (grey[:, None], None, grey[..., None]),
        (grey.reshape(12, 64), None, grey[..., None]),
        (colour.transpose(0, 3, 1, 2), None, colour),
        (colour.reshape(12, 240), "8x10x3", colour),
        (wide.reshape(12, 24), "4x6", wide[..., None]),
    ):
        data = kae.Dataset.from_arrays(given, image_shape=shape)
        assert data.sha256 == kae.Dataset.from_arrays(expected).sha256
        np.save(tmp_path / "images.npy", given)
        assert load(
            tmp_path / "images.npy", reading=Reading().changed((), {"image_shape": shape})
        ).sha256 == (data.sha256)
    assert "train: rows of 64 numbers are read as 8x8" in capsys.readouterr().err
    assert kae.Dataset.from_arrays(wide.reshape(12, 24), image_shape=(4, 6)).image_shape == (1, 4, 6)
    for wrong in (grey[0], images(64, (64,)), wide.reshape(12, 24), images(shape=(8, 10, 2))):
        with pytest.raises(DataError, match="give"):  # a single image is no rows
            kae.Dataset.from_arrays(wrong)


def test_what_says_how_images_are_read_holds_for_arrays_too(tmp_path, capsys):
    """Size, range, inversion and shape of rows: as for a file with the same array."""
    hounsfield = images(24, (12, 10)).astype(np.float32) * 4 - 200
    settings = {"resize": "16", "fit": "pad", "range": "-200:820", "invert": True}
    np.save(tmp_path / "images.npy", hounsfield)
    reading = configure(dataset="arrays", **settings).reading
    expected = load(tmp_path / "images.npy", reading=reading)
    assert in_memory(hounsfield, reading).sha256 == expected.sha256
    run = kae.train("conv", hounsfield, epochs=1, runs_dir=tmp_path, **settings)
    assert run.environment["dataset_sha256"] == expected.sha256
    assert run.evaluate()["mse"] == run.evaluate(dataset=hounsfield)["mse"], "read as the run's"
    pairs = kae.Dataset.from_arrays(images(), targets=255 - images())
    fitted = in_memory(pairs, Reading(size=Fit(14, 14)))
    assert fitted.test.targets.shape == (2, 14, 14, 1)
    assert abs(255.0 - fitted.test.targets - fitted.test.images).max() <= 1
    capsys.readouterr()
    in_memory(pairs, Reading(value_range=(0, 4), image_shape=(2, 2, 1)))
    said = capsys.readouterr().err
    assert "range is not used for a kae.Dataset" in said
    assert "image_shape is not used" in said


def test_a_training_on_arrays_is_resumed_with_them(tmp_path):
    import keras

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch:
                raise KeyboardInterrupt

    settings = {
        "epochs": 2,
        "batch_size": 4,
        "range": (0, 255),
        "image_shape": (28, 28),
        "runs_dir": tmp_path,
    }
    rows = images(24).reshape(24, 784)
    with pytest.raises(KeyboardInterrupt):
        kae.train("mlp", rows, callbacks=[Stop()], name="stopped", **settings)
    with pytest.raises(DataError, match="Give them again in Python, as dataset"):
        kae.Run(tmp_path / "stopped").resume(callbacks=[Stop()])
    with pytest.raises(DataError, match="not what run"):
        kae.Run(tmp_path / "stopped").resume(dataset=rows[::-1], inexact=True)
    resumed = kae.Run(tmp_path / "stopped").resume(dataset=rows, inexact=True)
    assert resumed.history["loss"] == kae.train("mlp", rows, name="whole", **settings).history["loss"]
    assert resumed.config.range == "0:255"
    with pytest.raises(errors.UsageError, match="from_arrays"):
        kae.train("mlp", rows, target="there.npy", **settings)


def test_loaders_and_lists_without_channels():
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    grey, labels = images(shape=(20, 30)), np.arange(12) % 2
    expected = kae.Dataset.from_arrays(grey)
    for size in (3, 4):
        loader = DataLoader(TensorDataset(torch.from_numpy(grey)), batch_size=size)
        assert in_memory(loader, Reading()).sha256 == expected.sha256
    named = kae.Dataset.from_arrays(grey, labels=labels).sha256
    assert in_memory((list(grey), list(labels)), Reading()).sha256 == named
    assert in_memory((list(grey), labels), Reading()).sha256 == named
    both = kae.Dataset.from_arrays(grey, grey, labels=labels[:, None], test_labels=labels)
    assert both.classes == ("0", "1")
    for wrong in (
        {"test_labels": labels},
        {"labels": labels, "classes": ["one"]},
        {"labels": np.eye(2)[labels], "test": grey, "test_labels": labels},
    ):
        with pytest.raises(DataError):
            kae.Dataset.from_arrays(grey, **wrong)


def test_labels_that_are_none_of_one_class_are_left_out_and_said(capsys):
    for wrong in (np.arange(12) + 0.5, np.ones((12, 3)), np.zeros((12, 8, 8))):
        assert kae.Dataset.from_arrays(images(), labels=wrong).train.labels is None
        assert "no labels are used" in capsys.readouterr().err
    kae.Dataset.from_arrays(images(), images(), labels=np.arange(12))
    assert "no labels for test: none are used" in capsys.readouterr().err


def test_the_arrays_of_the_user_stay_as_they_are():
    mine = images(shape=(28, 28, 1))
    kae.Dataset.from_arrays(mine, mine)
    mine[0] = 0
    assert mine.flags.writeable


def printed(code, **environment):
    """What a Python process prints, and what it says on stderr."""
    clean = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, check=True)
    return done.stdout.strip(), done.stderr


def test_keras_after_the_package_is_torch():
    code = "import keras_mnist_ae, keras; print(keras.backend.backend())"
    assert printed(code)[0] == "torch"


def test_torch_computes_on_cpu_under_macos_unless_told_otherwise():
    code = (
        "import sys, os; sys.platform = 'darwin'\n"
        "from keras_mnist_ae.system import backend; print(os.environ['KERAS_TORCH_DEVICE'])"
    )
    assert printed(code)[0] == "cpu"
    assert printed(code, KERAS_TORCH_DEVICE="mps")[0] == "mps"


@pytest.mark.slow
def test_keras_before_the_package_on_another_backend_is_said_once(installed_backends, tmp_path):
    if "tensorflow" not in installed_backends:
        pytest.skip("needs TensorFlow")
    code = (
        "import keras, keras_mnist_ae as kae; kae.build; kae.VARIANTS\n"
        "print(keras.backend.backend(), kae.build('mlp').count_params())"
    )
    shown, told = printed(code, KERAS_HOME=str(tmp_path))
    assert shown == "tensorflow 222384"
    assert told.count("import keras_mnist_ae first, or set KERAS_BACKEND=torch") == 1


WRONG = {  # what is done: what is said
    "unknown argument": (lambda: kae.train("mlp", epoch=3), TypeError, "unexpected keyword .*'epoch'"),
    "unknown variant": (lambda: kae.train("mpl"), errors.UsageError, "unknown variant 'mpl'.*mlp"),
    "unknown dataset": (lambda: kae.train("mlp", "minst"), errors.UsageError, "unknown dataset 'minst'"),
    "a path that is not there": (
        lambda: kae.train("mlp", Path("/nowhere/x")),
        errors.DataError,
        "/nowhere/x",
    ),
    "another type": (lambda: kae.train("mlp", 5), errors.DataError, "dataset is of type int; give a name"),
    "no images": (lambda: kae.train("mlp", iter([])), errors.DataError, "holds no images"),
    "several shapes": (
        lambda: kae.train("mlp", iter([np.zeros((8, 8)), np.zeros((9, 8))])),
        errors.DataError,
        r"several shapes, such as \(8, 8\) and \(9, 8\)",
    ),
    "one image": (lambda: kae.train("mlp", images()[0]), errors.DataError, "has shape"),
    "another size": (
        lambda: kae.train("mlp", images(shape=(30, 30))),
        errors.DataError,
        r"\(resize\), or train a variant that fits them: kae.train\('conv'\)",
    ),
    "NaN": (lambda: kae.train("mlp", np.full((12, 28, 28), np.nan)), errors.DataError, "NaN|nan"),
    "a number as text": (lambda: kae.train("mlp", "digits", epochs="3"), errors.UsageError, "epochs is '3'"),
    "no epochs": (lambda: kae.train("mlp", "digits", epochs=0), errors.UsageError, "epochs is 0"),
    "a negative rate": (
        lambda: kae.train("mlp", "digits", learning_rate=-1.0),
        errors.UsageError,
        "learning_rate is -1.0",
    ),
    "beta without a prior": (lambda: kae.train("mlp", "digits", beta=2.0), errors.UsageError, "variational"),
    "too large a batch": (
        lambda: kae.train("mlp", "digits", limit=10, batch_size=64),
        errors.UsageError,
        "Give batch_size=10 or less",
    ),
    "no such backend": (lambda: kae.train("mlp", "digits", backend="mxnet"), errors.UsageError, "mxnet"),
    "no such file": (lambda: kae.load("/nowhere/model.keras"), errors.UsageError, "does not exist"),
    "no such folder of runs": (lambda: kae.runs("/nowhere"), errors.UsageError, "does not exist"),
    "a size without a table": (
        lambda: kae.build("mlp", image=(1, 32, 32)),
        errors.UsageError,
        "not of 1x32x32",
    ),
    "a code of nothing": (lambda: kae.build("mlp", latent_dim=0), errors.UsageError, "latent_dim is 0"),
    "codes of another length": (
        lambda: kae.build("mlp").decode(np.zeros((2, 5))),
        errors.DataError,
        r"latent has shape \(2, 5\)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_ends_in_a_sentence_about_arguments(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    act, kind, message = WRONG[name]
    with pytest.raises(kind, match=message) as raised:
        act()
    assert "--" not in str(raised.value).replace("kae train --", "").replace("--data-dir DIR", "")
    assert not (tmp_path / "runs").exists()


def test_run_shows_itself_in_a_notebook(finished_runs, tmp_path):
    run = finished_runs("mlp")
    shown = run._repr_html_()
    assert f"<th>test MSE</th><td>{run.metrics['test_mse']:.5f}</td>" in shown
    assert "<th>status</th><td>finished</td>" in shown
    assert 'src="data:image/png;base64,iVBOR' in shown
    assert all(sentence.split(":")[0] in shown for sentence in run.verdict)
    assert "has no config.toml" in kae.Run(tmp_path)._repr_html_()
