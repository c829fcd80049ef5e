"""Records: each row is trained and measured as its protocol says, and what is there is not done twice."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from keras_mnist_ae.analysis.clusters import METHODS, missing
from keras_mnist_ae.analysis.probes import few_labels_accuracy
from keras_mnist_ae.bench.records import RECORDS
from keras_mnist_ae.bench.reproduce import MEASURES, QUICK, name_of, reproduce
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.errors import CorruptFileError, UsageError
from keras_mnist_ae.runs.config import configure
from keras_mnist_ae.runs.folder import Run

SHORT = dataclasses.replace(RECORDS["reconstruction"], rows=RECORDS["reconstruction"].rows[:2])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The first two rows of the reconstruction record from two seeds: the folder, and what came out."""
    folder = tmp_path_factory.mktemp("records")
    said = []
    return folder, reproduce(SHORT, 2, folder, quick=True, say=said.append), said


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "records")


def run_of(folder, row, seed):
    return Run(folder / name_of({**SHORT.rows[row].settings, **QUICK, "seed": seed}))


def test_rows_name_settings_and_measures_that_there_are():
    for record in RECORDS.values():
        for row in record.rows:
            config = configure(**row.settings)
            assert config.dataset == "mnist"
            assert not config.validation, "the protocols train on all 60,000 images"
            assert {row.measure, row.untrained} - {None} <= set(MEASURES)


def test_seeds_make_the_mean_and_its_spread(made):
    folder, outcomes, said = made
    assert [line.split(":")[0] for line in said] == [f"{number} of 4" for number in range(1, 5)]
    for at, outcome in enumerate(outcomes):
        errors = [run_of(folder, at, seed).metrics["test_mse"] for seed in (0, 1)]
        assert outcome.seeds == tuple(errors)
        assert errors[0] != errors[1]
        assert outcome.mean == pytest.approx(sum(errors) / 2)
        assert outcome.deviation == pytest.approx(abs(errors[0] - errors[1]) / 2**0.5)
    assert outcomes[1].untrained < outcomes[0].untrained, "a PCA of eight numbers beats one of two"


def test_runs_that_are_there_are_measured_and_missing_ones_trained(made, folder):
    shutil.rmtree(run_of(folder, 0, 1).path)
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("*/model.keras")}
    assert [each.seeds for each in reproduce(SHORT, 2, folder, quick=True)] == [
        each.seeds for each in made[1]
    ]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_broken_run_is_named_and_the_others_are_done(folder):
    (run_of(folder, 0, 0).path / "metrics.json").write_text("{}")
    shutil.rmtree(run_of(folder, 1, 1).path)
    with pytest.raises(CorruptFileError, match=r"1 of the runs.*metrics\.json"):
        reproduce(SHORT, 2, folder, quick=True)
    assert run_of(folder, 1, 1).finished


def test_a_run_of_other_settings_is_not_taken_for_the_records(folder):
    path = run_of(folder, 0, 0).path
    other = path.with_name(path.name.replace("digits", "mnist").replace("reference", "best"))
    path.rename(other)
    with pytest.raises(UsageError, match="other settings than the record"):
        reproduce(SHORT, 1, folder)


def test_few_labels_are_those_of_ten_draws():
    images, labels = load_digits(return_X_y=True)
    train, test = slice(0, 900), slice(900, None)
    expected = []
    for seed in range(3):
        generator = np.random.default_rng(seed)
        at = [
            index
            for digit in range(10)
            for index in generator.permutation(np.flatnonzero(labels[train] == digit))[:5]
        ]
        scaler = StandardScaler().fit(images[at])
        fitted = LogisticRegression().fit(scaler.transform(images[at]), labels[at])
        expected.append(fitted.score(scaler.transform(images[test]), labels[test]))
    found = few_labels_accuracy(images[train], labels[train], images[test], labels[test], 5, 3)
    assert found == pytest.approx(np.mean(expected))


def test_the_command_shows_ours_beside_the_published(folder):
    def answer(*arguments):
        done = CliRunner().invoke(kae, ["reproduce", *arguments])
        return done.exit_code, done.stdout, done.stderr

    code, out, _ = answer("--list", "--json")
    assert code == 0
    assert [record["record"] for record in json.loads(out)["records"]] == list(RECORDS)
    code, _, err = answer("reconstrution")
    assert code == 2
    assert "reconstruction" in err
    code, _, err = answer("recall", "--list")
    assert code == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORDS)
def test_every_record_runs(name, tmp_path):
    outcomes = reproduce(RECORDS[name], 1, tmp_path, quick=True)
    left_out = missing(METHODS["umap"])
    rows = [row for row in RECORDS[name].rows if not (left_out and row.measure == "umap")]
    assert [outcome.row for outcome in outcomes] == rows
    assert all(np.isfinite(outcome.seeds).all() for outcome in outcomes)
