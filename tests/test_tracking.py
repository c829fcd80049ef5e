"""The recipes of docs/howto/tracking.md: each runs as it stands and writes the losses of the run."""

import importlib.util
import json
import re
import sqlite3
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "howto" / "tracking.md"
RECIPES = re.findall(r"^## (.*?)$.*?^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)


def board(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator("board").Reload()
    assert events.Tags()["images"]
    return [event.value for event in events.Scalars("val_loss")]


def database(run):
    with sqlite3.connect("mlflow.db") as connection:
        rows = connection.execute("select value from metrics where key = 'val_loss' order by step")
        return [value for (value,) in rows]


def offline(run):
    (path,) = Path("wandb").glob("offline-run-*/*.wandb")  # records of protobuf, numbers in it as JSON
    content = path.read_bytes()
    return [value for value in run.history["val_loss"] if json.dumps(value).encode() in content]


READ = {
    "TensorBoard": ("tensorboard", board),
    "MLflow": ("mlflow", database),
    "Weights & Biases": ("wandb", offline),
}


def test_every_recipe_is_read():
    assert [name for name, _ in RECIPES] == list(READ)


@pytest.mark.parametrize(("name", "recipe"), RECIPES, ids=[name for name, _ in RECIPES])
@pytest.mark.filterwarnings("default")  # theirs
def test_recipe_writes_the_losses(name, recipe, tmp_path, monkeypatch):
    package, read = READ[name]
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "recipe"}
    exec(compile(recipe, str(PAGE), "exec"), names)
    run = names["run"]
    assert read(run) == pytest.approx(run.history["val_loss"], rel=1e-6)
