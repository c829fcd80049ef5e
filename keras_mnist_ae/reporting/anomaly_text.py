"""What `kae score` prints of a result."""

from pathlib import Path
from typing import Any

from ..system.hints import calibrating
from .table import table

CLASSES = 40  # shown, at most


def text(facts: dict[str, Any]) -> str:
    """The numbers of a scoring as lines."""
    lines = [
        f"flagged        {facts['flagged']:,} of {facts['n']:,} images, above {facts['threshold']:.6g} of "
        f"{facts['score']}"
    ]
    if facts["false_alarms"] is not None:
        lines.append(f"false alarms   {facts['false_alarms']:.2%} of the normal images are flagged")
    if facts["auroc"] is None:
        return "\n".join(lines)
    spans = facts["intervals"]

    def value(name: str, form: str = ".4f") -> str:
        low, high = spans[name]
        return f"{facts[name]:{form}} ({low:{form}} - {high:{form}})"

    lines += [
        f"AUROC          {value('auroc')}",
        f"  PCA          {value('pca_auroc')}, 32 components, no training",
        f"  neighbours   {value('knn_auroc')}, distance to 5 training images, no training",
        f"precision      {value('average_precision')} on average",
        f"at 95 % found  {value('false_alarms_at_95', '.2%')} false alarms",
    ]
    better = [
        name for key, name in (("pca_auroc", "pca"), ("knn_auroc", "knn")) if facts[key] > facts["auroc"]
    ]
    if better:
        lines.append(
            f"verdict        {better[0]} ranks better here and takes no training: "
            f"{calibrating(Path(facts['run']))} --score {better[0]}"
        )
    rows = [
        (
            name,
            f"{each['n']:,}",
            f"{each['flagged']:,}",
            "normal" if each["auroc"] is None else f"{each['auroc']:.4f}",
        )
        for name, each in list(facts["classes"].items())[:CLASSES]
    ]
    return "\n".join([*lines, "", table(("class", "images", "flagged", "AUROC"), rows)])
