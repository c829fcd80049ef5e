"""Settings: where they come from, and what is refused."""

import math
from pathlib import Path

import numpy as np
import pytest

from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.runs.config import configure


def test_recipe_of_the_variant_is_the_default():
    config = configure(variant="conv-k15")
    assert (config.epochs, config.batch_size, config.learning_rate) == (15, 32, 1e-2)


def test_flags_go_before_the_file_and_the_file_before_defaults(tmp_path):
    file = tmp_path / "config.toml"
    file.write_text('variant = "conv-k15"\nepochs = 7\nseed = 3\n')
    config = configure(file, epochs=9, batch_size=None)
    assert (config.variant, config.epochs, config.seed, config.batch_size) == ("conv-k15", 9, 3, 32)


def test_written_config_reads_back_as_itself(tmp_path):
    config = configure(variant="mlp", data_dir='/a "quoted" \\ folder/ä', limit=5, learning_rate=1e-5)
    file = tmp_path / "config.toml"
    file.write_text(config.to_toml(), encoding="utf-8")
    assert configure(file) == config


def test_paths_and_numbers_of_numpy_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = configure(
        epochs=np.int64(2), learning_rate=np.float32(0.5), runs_dir=Path("there"), data_dir=Path("data")
    )
    assert (config.epochs, config.learning_rate, config.runs_dir) == (2, 0.5, "there")
    assert config.data_dir == str(tmp_path / "data"), "the run may be read from another folder"


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("variant", "conv-k51", "unknown variant 'conv-k51'; did you mean 'conv-k"),
        ("backend", "mxnet", "backend is 'mxnet'; use one of torch, tensorflow, jax"),
        ("device", "tpu", "device is 'tpu'; use one of auto, cpu, gpu"),
        ("epochs", 0, "epochs is 0; give a whole number from 1 up"),
        ("epochs", "ten", "epochs is 'ten'"),
        ("epochs", True, "epochs is True"),
        ("batch_size", 0, "batch_size is 0"),
        ("learning_rate", -0.001, "learning_rate is -0.001; give a number above 0"),
        ("learning_rate", math.nan, "learning_rate is nan"),
        ("learning_rate", math.inf, "learning_rate is inf"),
        ("seed", -1, "seed is -1"),
        ("limit", 0, "limit is 0"),
        ("name", "../elsewhere", "name is '../elsewhere'"),
        ("name", "latest", "not 'latest'"),
        ("dataset", "", "dataset is ''"),
        ("beta", 2.0, "beta is for variational variants, such as vae-conv; conv-avgpool is none"),
        ("latent_dim", 0, "latent_dim is 0"),
        ("dropout", 1.0, "dropout is 1.0"),
        ("noise", "blur", "noise is 'blur'"),
        ("resize", "0", "resize is '0'"),
        ("recipe", "quick", "recipe is 'quick'; use one of reference, fast, best"),
        ("warm_up", 1.0, "warm_up is 1.0"),
        ("validation", -1, "validation is -1"),
        ("epoch", 3, "unknown setting 'epoch' in the call; did you mean 'epochs'?"),
    ],
)
def test_value_that_cannot_be_used(setting, value, message):
    with pytest.raises(UsageError) as caught:
        configure(**{setting: value})
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"epohcs = 3\n", "unknown setting 'epohcs' in"),
        (b"epochs = \n", "cannot read the config file"),
        (b"\xff\xfe", "cannot read the config file"),
    ],
)
def test_config_file_that_cannot_be_used(tmp_path, content, message):
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        configure(file)
    assert message in str(caught.value)
    assert str(file) in str(caught.value)
