"""A run among the records: what fits, what does not, and why."""

import dataclasses
import json

import pytest
from click.testing import CliRunner

from keras_mnist_ae.bench import compare as comparing
from keras_mnist_ae.bench.records import RECORDS
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.errors import UsageError
from keras_mnist_ae.runs.folder import Run


@pytest.fixture
def as_if(copied_run):
    """A function that makes a finished run of a variant look trained on MNIST under other settings."""

    def altered(variant="mlp", **settings):
        run = copied_run(variant)
        run.config = dataclasses.replace(run.config, **{"dataset": "mnist", "limit": None, **settings})
        return run

    return altered


def rows(result, **wanted):
    return [row for row in result["rows"] if all(row[key] == value for key, value in wanted.items())]


def test_a_run_fits_the_rows_of_its_code_size_alone(as_if):
    run = as_if()
    result = run.compare()
    fitting = rows(result, fits=True)
    assert [(row["record"], row["row"]) for row in fitting] == [("reconstruction", "d = 32")]
    assert fitting[0]["value"] == run.metrics["test_mse"]
    assert fitting[0]["standing"] == "behind published", "an epoch on 64 images"
    assert rows(result, row="d = 64")[0]["reason"] == "its code has 32 numbers, the record's 64"
    assert "0.0051" in str(result)
    assert "reconstruction: its code has 32 numbers, the record's 2 or 8 or 10 or 16 or 64" in str(result)
    assert "not variational" in rows(result, row="-ELBO")[0]["reason"]
    assert len(result["rows"]) == sum(len(record.rows) for record in RECORDS.values())


def test_standing_counts_the_figures_that_are_measured_alike(as_if):
    run = as_if()
    record = RECORDS["reconstruction"]
    row = record.rows[4]
    place = comparing.place(run, record, row)
    assert comparing.standing(dataclasses.replace(place, value=0.005)) == "better than published"
    assert comparing.standing(dataclasses.replace(place, value=0.0052)) == "behind published"
    assert comparing.standing(dataclasses.replace(place, value=None)) is None
    clusters = RECORDS["clustering"]
    place = comparing.Place(clusters, clusters.rows[2], None, 0.98, None)
    assert comparing.standing(place) == "better than 1 of 2"
    generation = RECORDS["generation"]
    assert comparing.standing(comparing.Place(generation, generation.rows[0], None, 1.0, None)) is None


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"dataset": "digits"}, "trained on digits, the record is of mnist"),
        ({"noise": "mask:0.5"}, "trained with noise (mask:0.5)"),
        ({"classes": "3"}, "some classes only (3)"),
        ({"invert": True}, "altered (invert)"),
        ({"binarize": "static"}, "trained on binarised pixels"),
    ],
)
def test_what_does_not_compare_is_told_with_its_reason(as_if, settings, reason):
    result = as_if(**settings).compare()
    assert not rows(result, fits=True)
    assert reason in rows(result, row="d = 32")[0]["reason"]
    assert "No record fits this run." in str(result)


def test_likelihoods_are_for_binarised_pixels(as_if):
    grey = as_if("vae-conv").compare()
    assert "grey pixels" in rows(grey, row="-ELBO")[0]["reason"]


def test_switches_beside_a_code_fit_nothing(as_if):
    unpool = as_if("conv-unpool").compare()
    assert "pooling switches" in rows(unpool, row="d = 64")[0]["reason"]
    assert not rows(unpool, fits=True)


def test_a_likelihood_that_is_not_measured_comes_with_its_command(copied_run):
    run = copied_run("vae-conv", "other")
    run.config = dataclasses.replace(run.config, dataset="mnist", limit=None, binarize="dynamic")
    result = run.compare()
    assert rows(result, row="bound")[0]["command"] == "kae evaluate --importance-samples 1000"
    assert f"kae evaluate {run.path} --importance-samples 1000" in str(result)
    run.add_metrics({"evidence": {"negative_elbo": 86.0, "negative_log_likelihood": 80.0, "samples": 10}})
    assert rows(run.compare(), row="bound")[0]["value"] is None, "ten samples bound less tightly"
    run.add_metrics({"evidence": {"negative_elbo": 86.0, "negative_log_likelihood": 80.0, "samples": 1000}})
    assert rows(run.compare(), row="bound")[0]["standing"] == "better than published"
    assert rows(run.compare(), row="-ELBO")[0]["standing"] == "better than published"


def test_the_command(copied_run):
    path = str(copied_run("mlp").path)
    done = CliRunner().invoke(kae, ["compare", path, "--json"])
    assert done.exit_code == 0
    assert not rows(json.loads(done.stdout), fits=True)
    done = CliRunner().invoke(kae, ["compare", path])
    assert "trained on digits, the record is of mnist" in done.stdout


def test_an_unfinished_run_has_no_place(copied_run):
    run = copied_run("mlp")
    (run.path / "metrics.json").unlink()
    with pytest.raises(UsageError):
        Run(run.path).compare()
