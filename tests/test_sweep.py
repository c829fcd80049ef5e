"""Sweeps: each trial is trained once, whatever was killed, and validation images choose."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner

pytest.importorskip("optuna")

from optuna.trial import TrialState

from keras_mnist_ae.analysis import sweep_plot
from keras_mnist_ae.bench.study import put_back
from keras_mnist_ae.bench.sweep import Sweep
from keras_mnist_ae.bench.sweep_plan import plan_of, read_plan
from keras_mnist_ae.bench.sweep_table import numbers
from keras_mnist_ae.bench.trials import TRIAL, end, losses, start
from keras_mnist_ae.cli.main import kae
from keras_mnist_ae.errors import CorruptFileError, DataError, UsageError
from keras_mnist_ae.runs.folder import Run

STAND_IN = """
import pathlib, sys, time, tomllib
word, *rest = sys.argv[1:]
run = pathlib.Path(rest[0]) if word == "resume" else pathlib.Path(rest[3], rest[5])
run.mkdir(exist_ok=True)
if word == "train":
    run.joinpath("config.toml").write_bytes(pathlib.Path(rest[1]).read_bytes())
settings = tomllib.loads(run.joinpath("config.toml").read_text())
with run.joinpath("starts").open("a") as file:
    file.write(word + chr(10))
{begin}
rows = ["epoch,loss,val_loss,seconds"]
for epoch in range(1, settings["epochs"] + 1):
    rows.append(f"{{epoch}},0,{{settings['latent_dim'] / epoch}},0")
    run.joinpath("history.csv").write_text(chr(10).join(rows))
    time.sleep({pause})
"""
GRID = """
[settings]
variant = "mlp"
validation = 297
epochs = {epochs}
[grid]
latent_dim = {sizes}
seed = {seeds}
"""
SEARCH = """
[settings]
variant = "mlp"
validation = 297
epochs = 5
[search]
trials = {trials}
latent_dim = {{ low = 2, high = 64, log = true }}
learning_rate = {{ low = 1e-4, high = 1e-2, log = true }}
"""
WORK = """
import sys
from pathlib import Path
from keras_mnist_ae.bench.sweep import Sweep
from keras_mnist_ae.bench.sweep_plan import plan_of, read_plan
from keras_mnist_ae.system import signals
signals.install()
program = (sys.executable, "-c", Path(sys.argv[2]).read_text())
Sweep(read_plan(Path(sys.argv[1])), Path(sys.argv[3]), program, stale=3).work(2, print)
"""


@pytest.fixture
def plan(tmp_path):
    """A plan of that text."""

    def write(text):
        tmp_path.joinpath("sweep.toml").write_text(text)
        return read_plan(tmp_path / "sweep.toml")

    return write


def stand_in(begin="", pause=0.02):
    """In place of a training: its error is the size of the code divided by the epoch."""
    return (sys.executable, "-c", STAND_IN.format(begin=begin, pause=pause))


def started(folder):
    """How often each run was begun, not resumed."""
    return {path.parent.name: path.read_text().count("train") for path in folder.glob("*/starts")}


def test_a_grid_trains_all_combinations_once_and_gives_means_over_seeds(plan, tmp_path):
    grid = plan(GRID.format(epochs=2, sizes=[8, 4], seeds=[0, 1, 2]))
    for _ in range(2):  # the second time there is nothing left
        sweep = Sweep(grid, tmp_path / "runs", stand_in())
        sweep.work(3)
    found = numbers(sweep)
    wanted = Counter((size, seed) for size in (8, 4) for seed in range(3))
    assert (
        Counter((each["settings"]["latent_dim"], each["settings"]["seed"]) for each in found["trials"])
        == wanted
    )
    assert set(started(tmp_path / "runs").values()) == {1}
    assert found["means"] == [
        {"settings": {"latent_dim": size}, "mean": size / 2, "std": 0.0, "seeds": 3} for size in (4, 8)
    ]


@pytest.mark.parametrize("trials", [10, pytest.param(40, marks=pytest.mark.slow)])
def test_two_processes_and_a_killed_one_leave_every_trial_complete_and_none_twice(plan, tmp_path, trials):
    plan(SEARCH.format(trials=trials).replace("[search]", '[search]\npruner = "none"'))
    folder, stand = tmp_path / "runs", tmp_path / "stand_in.py"
    stand.write_text(stand_in(pause=0.05)[2])
    command = [sys.executable, "-u", "-c", WORK, str(tmp_path / "sweep.toml"), str(stand), str(folder)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as second,
    ):
        try:
            next(line for line in first.stdout if "done)" in line)
            next(line for line in first.stdout if "latent_dim" in line)  # it has just begun
            first.kill()
            said, _ = second.communicate(timeout=120)
        finally:
            first.kill()
            second.kill()
        assert second.returncode == 0, said
    every = Sweep(read_plan(tmp_path / "sweep.toml"), folder).study.get_trials()
    done = [trial for trial in every if trial.state == TrialState.COMPLETE]
    assert len(done) == len({trial.user_attrs["run"] for trial in done}) == trials
    assert {trial.state for trial in every} <= {TrialState.COMPLETE, TrialState.FAIL}
    assert set(started(folder).values()) == {1}
    for trial in done:
        assert trial.value == trial.params["latent_dim"] / 5


def test_an_interrupted_sweep_puts_its_trials_back(plan, tmp_path):
    plan(GRID.format(epochs=1, sizes=[2, 3], seeds=[0]))
    folder, stand = tmp_path / "runs", tmp_path / "stand_in.py"
    begin = "import threading, os; threading.Thread(target=lambda: (sys.stdin.read(), os._exit(143))).start()"
    stand.write_text(stand_in(begin, pause=60)[2])
    command = [sys.executable, "-u", "-c", WORK, str(tmp_path / "sweep.toml"), str(stand), str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        while len(list(folder.glob("*/history.csv"))) < 2 and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert b"Interrupted" in process.communicate(timeout=60)[1]
    sweep = Sweep(read_plan(tmp_path / "sweep.toml"), folder, stand_in(pause=0))
    assert Counter(trial.state for trial in sweep.study.get_trials()) == {
        TrialState.FAIL: 2,
        TrialState.WAITING: 2,
    }
    sweep.work(2)
    assert [error for _, error in sweep.trials()] == [2, 3]
    assert [path.read_text() for path in folder.glob("*/starts")] == ["train\nresume\n"] * 2


@pytest.mark.slow
def test_a_search_stops_what_is_worse_and_leaves_out_what_cannot_be_trained(plan, tmp_path):
    said = []
    begin = (
        "if settings['latent_dim'] > 40:\n"
        "    print('kae: the loss is no longer a finite number')\n"
        "    sys.exit(7)"
    )
    text = SEARCH.replace("{{ low = 2, high = 64, log = true }}", "[2, 3, 20, 41]")
    sweep = Sweep(plan(text.format(trials=8)), tmp_path / "runs", stand_in(begin, 0.4))
    for size in (2, 3, 2, 3, 2, 20, 41, 2):  # as if the search had drawn these
        sweep.study.enqueue_trial({"latent_dim": size, "learning_rate": 1e-3})
    sweep.work(1, said.append)
    trials = sorted(sweep.trials(), key=lambda each: each[0].number)
    assert [error for _, error in trials] == [2 / 5, 3 / 5, 2 / 5, 3 / 5, 2 / 5, None, None, 2 / 5]
    assert [trial.user_attrs.get("reason") for trial, _ in trials[5:7]] == [
        None,
        "the loss is no longer a finite number",
    ]
    assert ["others were better" in line for line in said if "trial-0005" in line] == [False, True]
    assert [line.split(":")[1] for line in said if "trial-0006" in line][1] == " left out"
    importances = numbers(sweep)["importances"]
    assert importances["latent_dim"] > 0.99  # the learning rate is the same


def test_what_all_trainings_would_fail_for_ends_the_sweep(plan, tmp_path):
    begin = "print('kae: no such data'); sys.exit(4)"
    sweep = Sweep(plan(GRID.format(epochs=1, sizes=[2], seeds=[0, 1])), tmp_path / "runs", stand_in(begin))
    with pytest.raises(DataError, match="no such data"):
        sweep.work(1)
    assert not sweep.trials()
    assert len(started(tmp_path / "runs")) == 1


def test_another_sweep_in_the_folder_is_refused_and_a_longer_search_goes_on(plan, tmp_path):
    folder = tmp_path / "runs"
    for trials in (2, 4):
        sweep = Sweep(plan(SEARCH.format(trials=trials)), folder, stand_in(pause=0))
        sweep.work(2)
        assert len(sweep.trials()) == trials
    with pytest.raises(UsageError, match="another sweep"):
        Sweep(plan(GRID.format(epochs=1, sizes=[2], seeds=[0])), folder)


def test_any_name_of_a_folder_will_do(plan, tmp_path):
    folder = tmp_path / "50%20 & what?a=b#c"
    sweep = Sweep(plan(GRID.format(epochs=1, sizes=[2, 4], seeds=[0])), folder, stand_in())
    sweep.work(2)
    assert len(numbers(sweep)["trials"]) == 2
    assert (folder / "study.db").stat().st_size > 0


def test_a_folder_of_other_files_and_a_broken_study_are_refused(plan, tmp_path):
    grid, folder = plan(GRID.format(epochs=1, sizes=[2], seeds=[0])), tmp_path / "runs"
    (folder / "trial-0000").mkdir(parents=True)
    with pytest.raises(UsageError, match=r"other files \(trial-0000\)"):
        Sweep(grid, folder)
    (folder / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(CorruptFileError, match="file is not a database"):
        Sweep(grid, folder)


def test_a_process_that_slept_leaves_its_trial_to_the_one_that_took_it_up(plan, tmp_path):
    grid, folder, said = plan(GRID.format(epochs=1, sizes=[2], seeds=[0])), tmp_path / "runs", []
    ours = Sweep(grid, folder, stand_in(pause=1))

    def other(line):
        said.append(line)
        if len(said) == 1:  # just begun; meanwhile another process takes it for killed
            put_back(ours.study, 0)
            Sweep(grid, folder, stand_in(pause=0)).work(1)

    ours.work(1, other)
    assert "another process took it up" in said[-1]
    states = [trial.state for trial in ours.study.get_trials()]
    assert states == [TrialState.FAIL, TrialState.COMPLETE]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[settings]\nvalidation = 9\n", "one of the tables"),
        ("[settings]\n[grid]\nseed = [1]\n", "must not choose"),
        ("[settings]\nvalidation = 9\n[grid]\nseed = 1\n", "a list of different values"),
        ("[settings]\nvalidation = 9\n[grid]\nseed = [1, 1]\n", "a list of different values"),
        ("[settings]\nvalidation = 9\n[grid]\nsede = [1]\n", "did you mean 'seed'"),
        ("[settings]\nvalidation = 9\nfile = 1\n[grid]\nseed = [1]\n", "unknown setting 'file'"),
        ("[settings]\nvalidation = 9\nseed = 1\n[grid]\nseed = [1]\n", "seed stands in"),
        ("[settings]\nvalidation = 9\n[grid]\nvalidation = [1, 2]\n", "validation stands in"),
        ("[settings]\nvalidation = 9\nname = 'a'\n[grid]\nseed = [1]\n", "takes no name"),
        ("[settings]\nvalidation = 9\n[grid]\nvariant = ['mlp', 'none']\n", "none"),
        ("[settings]\nvalidation = 9\n[search]\nseed = [1]\n", "trials = N"),
        ("[settings]\nvalidation = 9\n[search]\ntrials = 2\n", "names no setting"),
        ("[settings]\nvalidation = 9\n[search]\ntrials = 2\npruner = 'x'\nseed = [1]\n", "median, none"),
        ("[settings]\nvalidation = 9\n[search]\ntrials = 2\nseed = {low = 3, high = 1}\n", "below high"),
        (
            "[settings]\nvalidation = 9\n[search]\ntrials = 2\nseed = {low = 0, high = 1, log = true}\n",
            "above 0",
        ),
        (
            "[settings]\nvalidation = 9\n[search]\ntrials = 2\nseed = {low = 0, high = 1, lgo = true}\n",
            "unknown 'lgo'",
        ),
        (
            "[settings]\nvalidation = 9\n[search]\ntrials = 2\nlearning_rate = {low = -1, high = 1}\n",
            "learning_rate",
        ),
        ("[settings]\nvalidation = 9\n[search]\ntrials = 2\nseed = [1, 1]\n", "different values"),
        (
            "[settings]\nvalidation = 9\n[search]\ntrials = 2\nseed = {low = 0, high = 9, step = 0}\n",
            "a step is",
        ),
        (
            "[settings]\nvalidation = 9\n[search]\ntrials = 2\nseed = {low = 0, high = 9, step = 'x'}\n",
            "a step is",
        ),
        (
            "[settings]\nvalidation = 9\n[search]\ntrials = 2\nseed = {low = false, high = true}\n",
            "or a range",
        ),
        ("[settings]\nvalidation = 9\n[grid]\nseed = [2020-01-01]\n", "different values"),
        ("[settings]\nvalidation = 9\n[grid]\nseed = [[1]]\n", "different values"),
        ("[settings]\nvalidation = 9\n[grid]\nvariant = ['mlp', 'vae-mlp']\n", "in nats"),
        ("[settings]\nvalidation = 9\n[others]\n[grid]\nseed = [1]\n", "'others'"),
        ("settings = 3\n", "none of the tables"),
        ("[settings\n", "cannot read"),
    ],
)
def test_a_plan_that_no_training_can_take_is_refused_before_the_first(plan, text, told):
    with pytest.raises(UsageError, match=told):
        plan(text)


def test_the_picture_shows_each_training_against_each_setting():
    trials = [
        {"settings": {"latent_dim": 8, "variant": "mlp"}, "val_loss": 0.3},
        {"settings": {"latent_dim": 4, "variant": "conv"}, "val_loss": None},
        {"settings": {"latent_dim": 16, "variant": "mlp"}, "val_loss": 0.5},
        {"settings": {"latent_dim": 2, "variant": "conv"}, "val_loss": 0.1},
    ]
    figure = sweep_plot.draw(trials, ["latent_dim"], "sizes")
    order, latent, variant = figure.axes
    points = [axes.collections[0].get_offsets().tolist() for axes in (order, latent, variant)]
    assert points == [
        [[0, 0.3], [2, 0.5], [3, 0.1]],
        [[8, 0.3], [16, 0.5], [2, 0.1]],
        [[0, 0.3], [0, 0.5], [1, 0.1]],
    ]
    assert order.lines[0].get_ydata().tolist() == [0.3, 0.3, 0.1]
    assert (latent.get_xscale(), variant.get_xlabel()) == ("log", "variant")


def test_a_plan_in_python(tmp_path):
    """The plan of a file, and what is wrong with it in the same words."""
    tables = {"settings": {"variant": "mlp"}, "grid": {"seed": [0, 1]}}
    with pytest.raises(UsageError, match="^the plan keeps no images out of training"):
        plan_of(tables)
    tables["settings"] |= {"validation": 5, "epochs": 2}
    (tmp_path / "same.toml").write_text(
        '[settings]\nvariant = "mlp"\nvalidation = 5\nepochs = 2\n[grid]\nseed = [0, 1]\n'
    )
    assert plan_of(tables) == read_plan(tmp_path / "same.toml")


def test_real_trainings_from_the_command_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tmp_path.joinpath("sizes.toml").write_text(
        '[settings]\ndataset = "digits"\nvariant = "mlp"\nvalidation = 100\nepochs = 1\nlimit = 300\n'
        "[grid]\nlatent_dim = [4]\nseed = [0, 1]\n"
    )
    outcome = CliRunner().invoke(kae, ["sweep", "sizes.toml", "--workers", "2", "--json"])
    assert outcome.exit_code == 0, outcome.output
    found = json.loads(outcome.stdout)
    runs = [Run(tmp_path / "runs" / "sizes" / each["run"]) for each in found["trials"]]
    assert sorted((run.config.latent_dim, run.config.seed, run.config.validation) for run in runs) == [
        (4, 0, 100),
        (4, 1, 100),
    ]
    errors = [run.history["val_loss"][-1] for run in runs]
    assert [each["val_loss"] for each in found["trials"]] == sorted(errors)
    assert found["means"][0]["mean"] == pytest.approx(np.mean(errors))
    assert found["means"][0]["std"] == pytest.approx(np.std(errors, ddof=1))
    assert (tmp_path / found["figure"]).read_bytes().startswith(b"\x89PNG")
    again = CliRunner().invoke(kae, ["sweep", "sizes.toml"])
    assert "2 trainings in runs/sizes, 2 done before" in again.stderr
    assert "trial-0000" not in again.stderr
    listed = CliRunner().invoke(kae, ["runs", "--runs-dir", "runs/sizes", "--json"])
    assert len(json.loads(listed.stdout)["runs"]) == 2


def test_a_training_ends_with_its_parent_and_keeps_what_it_has(tmp_path):
    run = tmp_path / "trial-0000"
    settings = {"dataset": "digits", "variant": "mlp", "validation": 100, "epochs": 10_000, "limit": 300}
    process = start(TRIAL, run, settings, workers=2)
    while not losses(run) and process.poll() is None:
        time.sleep(0.05)
    end(process)
    assert process.returncode == 128 + signal.SIGTERM
    assert Run(run).history["loss"]
    assert os.path.lexists(run / "config.toml")
