"""The tables of the reliability page: the last runs of `make test-full` and `make newest`."""

import json

from .records import DATA, table

BACKENDS = ("torch", "tensorflow", "jax")


def tests(record: str) -> str:
    """What was recorded on each backend: "tests" by `make test-full`, "newest" by `make newest`."""
    rows = []
    for backend in BACKENDS:
        file = DATA / f"{record}-{backend}.json"
        if not file.exists():
            rows.append((backend, *["not run"] + [""] * 4))
            continue
        found = json.loads(file.read_text(encoding="utf-8"))
        versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
        rows.append(
            (
                backend,
                f"{found['passed']:,}",
                f"{found['failed'] + found['error']:,}",
                f"{found['skipped']:,}",
                f"{found['date']}, {found['minutes']} min",
                versions,
            )
        )
    return table(("backend", "passed >", "failed >", "skipped >", "when", "with"), rows)
