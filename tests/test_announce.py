"""The first line of a command."""

import pytest
from click.testing import CliRunner

from keras_mnist_ae.cli import announce
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.runs import runs_dir
from keras_mnist_ae.runs.config import configure
from keras_mnist_ae.runs.folder import Run


@pytest.fixture
def trained(tmp_path):
    """A config, and a run that seems to be finished: it has trained 2 + 3 seconds."""
    config = configure(variant="mlp", dataset="digits", epochs=2, backend="torch", runs_dir=str(tmp_path))
    run = runs_dir.create(config)
    run.write_history({"loss": [0.1, 0.1], "val_loss": [0.1, 0.1], "seconds": [2.0, 3.0]})
    return config, run


def test_training_says_what_it_will_do_and_how_long_the_last_of_its_kind_took(trained, capsys):
    config, run = trained
    announce.training(config)
    assert capsys.readouterr().err == "kae: train mlp on digits, 2 epochs, torch on auto\n"
    run.write_metrics({"train_mse": 0.1, "test_mse": 0.1})
    announce.training(config)
    assert capsys.readouterr().err == "kae: train mlp on digits, 2 epochs, torch on auto; last time 5 s\n"
    other = configure(variant="mlp", dataset="digits", epochs=3, backend="torch", runs_dir=config.runs_dir)
    assert announce.last_time(other) is None


def test_a_damaged_run_is_announced_by_its_path_alone(trained, capsys):
    _, run = trained
    announce.of_run(run, "evaluate")
    assert capsys.readouterr().err == f"kae: evaluate {run.path}: mlp of digits, torch on auto\n"
    (run.path / "config.toml").write_text("epochs =")
    announce.of_run(Run(run.path), "evaluate")
    assert capsys.readouterr().err == f"kae: evaluate {run.path}\n"


@pytest.mark.parametrize(
    "command",
    [
        "evaluate",
        "latent",
        "generate",
        "figures",
        "report",
        "explore",
        "calibrate",
        "export onnx",
        "validate",
    ],
)
def test_commands_on_a_run_begin_with_what_they_do(trained, command):
    """The run is not finished, so that nothing is loaded; the failure comes after the first line."""
    _, run = trained
    done = CliRunner().invoke(kae, [*command.split(), run.name, "--runs-dir", str(run.path.parent)])
    assert done.exit_code == 2
    assert done.stderr.splitlines()[0] == f"kae: {command} {run.path}: mlp of digits, torch on auto"
