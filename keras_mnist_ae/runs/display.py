"""A run as a notebook shows it."""

import base64
from html import escape

from ..errors import KaeError
from .folder import Run
from .manage import status

SHOWN = ("variant", "dataset", "backend", "epochs", "batch_size", "learning_rate", "seed")
LARGEST = 2**20  # bytes of a picture


def displayed(run: Run) -> str:
    """Settings, errors, verdict and the picture of reconstructions, as far as the run has got."""
    try:
        rows = [("status", status(run)), *((name, getattr(run.config, name)) for name in SHOWN)]
        if run.finished:
            low, high = run.metrics.get("intervals", {}).get("mse", (None, None))
            span = f" ({low:.5f} to {high:.5f})" if low is not None else ""
            rows += [("train MSE", f"{run.metrics['train_mse']:.5f}")]
            rows += [("test MSE", f"{run.metrics['test_mse']:.5f}{span}")]
        sentences = run.verdict
    except (KaeError, OSError) as error:
        return f"<pre>{escape(repr(run))}: {escape(str(error))}</pre>"
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in rows)
    words = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    return f"<b>{escape(str(run.path))}</b><table>{cells}</table>{words}{_picture(run)}"


def _picture(run: Run) -> str:
    path = run.figure("reconstructions")
    if not path.is_file() or path.stat().st_size > LARGEST:
        return ""
    content = base64.b64encode(path.read_bytes()).decode()
    return f'<img alt="images and their reconstructions" src="data:image/png;base64,{content}">'
