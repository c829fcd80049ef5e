"""Removing, renaming, tagging and filtering runs."""

import json
import sys

import pytest
from click.testing import CliRunner

from keras_mnist_ae import Run, train
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.cli.options import echo_table
from keras_mnist_ae.errors import CorruptFileError, UsageError
from keras_mnist_ae.runs import manage


def answer(*arguments):
    done = CliRunner().invoke(kae, [str(argument) for argument in arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path):
    """Two runs, a finished and an unfinished one."""
    train("mlp", dataset="digits", limit=40, epochs=1, batch_size=20, runs_dir=tmp_path, name="done")
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    for name in ("config.toml", "variant.toml", "checksums.json"):
        (stopped / name).write_bytes((tmp_path / "done" / name).read_bytes())
    return tmp_path


def listed(folder, *arguments):
    code, out, _ = answer("runs", "--json", "--runs-dir", folder, *arguments)
    assert code == 0
    return {row["run"]: row for row in json.loads(out)["runs"]}


def test_runs_have_a_status_and_can_be_filtered(folder):
    assert {name: row["status"] for name, row in listed(folder).items()} == {
        "done": "finished",
        "stopped": "unfinished",
    }
    with Run(folder / "stopped").locked():
        assert set(listed(folder, "--status", "running")) == {"stopped"}
    assert set(listed(folder, "--status", "finished", "--dataset", "digits")) == {"done"}
    assert not listed(folder, "--variant", "conv-k15")
    _, out, err = answer("runs", "--runs-dir", folder, "--variant", "conv-k15")
    assert not out
    assert "none of the 2 runs" in err


def test_tags_are_kept_in_the_run_and_filter(folder):
    assert answer("runs", "tag", "done", "paper", "seed=3", "--runs-dir", folder)[0] == 0
    assert manage.tags(Run(folder / "done")) == ["paper", "seed=3"]
    assert set(listed(folder, "--tag", "paper")) == {"done"}
    assert manage.tag(Run(folder / "done"), "paper", remove=True) == ["seed=3"]
    with pytest.raises(UsageError, match="tag 'a b'"):
        manage.tag(Run(folder / "done"), "a b")
    (folder / "done" / "tags.json").write_text("{}")
    with pytest.raises(CorruptFileError, match="holds no tags"):
        manage.tags(Run(folder / "done"))
    assert set(listed(folder)) == {"stopped"}, "the other is named on stderr"


def test_renamed_run_is_found_under_its_new_name_and_stays_the_latest(folder):
    assert answer("runs", "mv", "done", "better", "--runs-dir", folder)[0] == 0
    assert Run(folder / "better").metrics["test_mse"] > 0
    assert (folder / "latest").read_text() == "better\n"
    for name, message in (("stopped", "exists"), ("../out", "letters, digits"), ("latest", "not 'latest'")):
        code, _, err = answer("runs", "mv", "better", name, "--runs-dir", folder)
        assert (code, message in err) == (2, True), err


def test_removed_run_is_gone_and_one_at_work_stays(folder):
    with Run(folder / "stopped").locked():
        assert answer("runs", "rm", "stopped", "--yes", "--runs-dir", folder)[0] == 2
    assert (folder / "stopped").exists()
    assert answer("runs", "rm", "stopped", "done", "--yes", "--runs-dir", folder)[0] == 0
    assert not list(folder.glob("*/config.toml"))
    code, _, err = answer("runs", "rm", "done", "--yes", "--runs-dir", folder)
    assert (code, "no run 'done'" in err) == (2, True)


def test_nothing_is_removed_without_a_yes(folder):
    done = CliRunner().invoke(kae, ["runs", "rm", "done", "--runs-dir", str(folder)], input="n\n")
    assert done.exit_code == 1
    assert (folder / "done").exists()


@pytest.mark.parametrize(("width", "header"), [(60, "run  status  MSE"), (14, "run  MSE"), (3, "run  MSE")])
def test_table_leaves_out_optional_columns_on_a_narrow_terminal(monkeypatch, capsys, width, header):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    echo_table(("run", "status", "MSE"), [("a", "finished", "0.1")], ["status"])
    assert capsys.readouterr().out.splitlines()[0].split() == header.split()
