"""The story of a run as one HTML file: pictures embedded, nothing fetched, light and dark, for
screens of any width and for print.
"""

import base64
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..errors import CorruptFileError
from ..export import manifest
from ..runs.folder import Run
from ..system.hints import titled
from ..system.reading import read_json
from . import clustered, detected, quality, text
from .captions import CAPTIONS, EXTRA

EMBEDDED = 1_000_000  # parameters of a model whose explorer stands in the report: 2 MB in float16


def write(run: Run, latent_missing: str = "") -> None:
    """Write the run's report.html from its metrics, history and figures.

    `latent_missing` is the reason shown when there is no latent analysis. Of a run that was not
    evaluated the errors are those of training.

    Raises `UsageError` for a run that is not finished, and `WriteError`.
    """
    from jinja2 import Environment

    metrics, variant = run.metrics, run.variant
    run.require_finished()
    latent = metrics.get("latent")
    channels, height, width = variant.image
    page = Environment(autoescape=True, trim_blocks=True).from_string(
        files(__package__).joinpath("report.html.jinja").read_text("utf-8")
    )
    content = page.render(
        run=run.name,
        path=run.path.as_posix(),
        dataset=titled(run.config.dataset),
        variant=variant,
        history=run.history,
        environment=run.environment | {"dataset": titled(run.config.dataset)},
        settings=[
            (name, Path(value).name if name in ("dataset", "data_dir", "init") else value)
            for name, value in run.config.items()
            if value is not None
        ],
        metrics=metrics,
        verdict=run.verdict,
        **(text.measured(metrics) if run.evaluated else {"cards": text.trained(metrics, variant.latent)}),
        dimensions=text.dimensions(latent) if latent else latent_missing,
        probes=text.probes(latent or {}),
        clusters_header=text.clusters_header(latent) if latent and "kmeans" in latent else (),
        clusters=text.clusters(latent or {}),
        skipped=latent["skipped"] if latent else {},
        clustering=metrics.get("clusters"),
        clustered=clustered,
        generation=metrics.get("quality"),
        quality=quality,
        anomalies=detected.section(run),
        captions=CAPTIONS | EXTRA,
        pictures={
            name: base64.b64encode(run.checked(f"figures/{name}.png").read_bytes()).decode()
            for name in (*CAPTIONS, *EXTRA)
            if run.figure(name).is_file()
        },
        **exported(run.path / "onnx" / manifest.NAME),
        **explorer(run),
        image_shape=f"(n, {height}, {width}, {channels})",
    )
    run.write_report(content)


def explorer(run: Run) -> dict[str, str]:
    """The name of the run's explorer, "" where it has none, and for a small model its page, too."""
    from .explorer.explore import NAME

    if not (run.path / NAME).is_file():
        return {"explorer": "", "explorer_page": ""}
    small = run.variant.parameters < EMBEDDED
    return {"explorer": NAME, "explorer_page": run.checked(NAME).read_text("utf-8") if small else ""}


def exported(path: Path) -> dict[str, Any]:
    """The graphs of a manifest, and on how many images they were held against the model. Raises
    `CorruptFileError`.
    """
    if not path.is_file():
        return {"graphs": [], "validated": 0}
    try:
        told = read_json(path)
        graphs = [
            (
                graph["file"],
                graph["nodes"],
                f"{graph['bytes']:,}",
                f"{graph['max_abs_diff']:.0e}",
                f"{graph['onnx_mse']:.5f}",
            )
            for graph in told["graphs"]
        ]
        return {"graphs": graphs, "validated": int(told["validated_images"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(
            f"{path} is not a manifest of ours: {error!r}\n"
            f"Make the export anew: {manifest.command(path.parent)}"
        ) from error
