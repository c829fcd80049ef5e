"""A folder to hand on: the model as Keras opens it from a hub, ONNX graphs, a model card."""

import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

from ..errors import UsageError, WriteError
from ..runs.folder import Run
from . import text
from .steps import evaluate, export_onnx
from .table import markdown

CARD = """---
{front_matter}
---

# {name}

{summary}

{encoder_decoder}

Trained with keras_mnist_ae {version} on {dataset} (sha256 of its arrays `{sha256}`),
on the {backend} backend of Keras.

{metrics}

{baselines}

## Use

With Keras alone, a functional model from images float32 of shape {shape} in [0, 1] to
reconstructions of the same shape:

```python
import keras
model = keras.saving.load_model("hf://USER/{name}")
```

With encoder and decoder:

```python
import keras_mnist_ae as kae
autoencoder = kae.load("hf://USER/{name}")
codes = autoencoder.encode(images)
```

Without Keras, `onnx/encoder.onnx`, `onnx/decoder.onnx` and `onnx/autoencoder.onnx` run in
onnxruntime; they take channels first.
"""


def publish(run: Run, to: Path | str, *, licence: str | None = None) -> Path:
    """Write a folder that `keras.saving.load_model("hf://USER/NAME")` opens once it is uploaded.

    It holds the model (`config.json`, `metadata.json`, `model.weights.h5`), its table
    (`variant.toml`), its ONNX graphs in float32 (`onnx/`) and a model card (`README.md`) with the
    data set and the metrics with their intervals. The upload is left to the user. What was not
    evaluated or exported yet is done first.

    Args:
        to: a folder that does not exist yet, or is empty.
        licence: an identifier such as "mit", for the card.

    Returns:
        The folder.

    Raises:
        UsageError: The folder holds something already, or the run is not finished.
        WriteError: It cannot be written.
    """
    target = Path(to)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} exists and is not empty; name a new folder")
    run.require_finished()
    if not run.evaluated:
        evaluate(run)
    graphs = run.export_folder("float32")
    if not graphs.is_dir():
        export_onnx(run)
    partial = target.with_name(f".{target.name}.new")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with zipfile.ZipFile(run.checked("model.keras")) as archive:
            archive.extractall(partial)
        shutil.copy2(run.checked("variant.toml"), partial / "variant.toml")
        shutil.copytree(graphs, partial / "onnx")
        (partial / "README.md").write_text(card(run, licence), encoding="utf-8")
        if target.is_dir():
            target.rmdir()
        partial.rename(target)
    except OSError as error:
        raise WriteError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def card(run: Run, licence: str | None = None) -> str:
    """The model card of an evaluated run: Markdown below a front matter of YAML."""
    metrics, variant, environment = run.metrics, run.variant, run.environment
    dataset = Path(str(environment["dataset"])).name  # of own data, without the path
    facts: dict[str, Any] = {
        "library_name": "keras",
        "tags": ["autoencoder", "image-feature-extraction", "keras", "onnx"],
        "datasets": [dataset],
        "metrics": ["mse"],
        "model-index": [
            {
                "name": run.name,
                "results": [
                    {
                        "task": {"type": "image-to-image", "name": "reconstruction"},
                        "dataset": {"name": dataset, "type": dataset, "split": "test"},
                        "metrics": [{"type": "mse", "value": metrics["mse"], "name": "test MSE"}],
                    }
                ],
            }
        ],
    }
    if licence:
        facts["license"] = licence
    front_matter = "\n".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items()
    )
    channels, height, width = variant.image
    return CARD.format(
        front_matter=front_matter,
        name=run.name,
        summary=f"An image autoencoder, variant {variant.name}: {variant.summary}.",
        encoder_decoder=f"```\n{variant.table()}\n```",
        version=environment["keras_mnist_ae"],
        dataset=dataset,
        sha256=environment["dataset_sha256"],
        backend=environment["backend"],
        metrics=markdown(("", "value", "95 % interval", ""), text.metric_rows(metrics)),
        baselines=text.baselines(metrics),
        shape=f"(n, {height}, {width}, {channels})",
    )
