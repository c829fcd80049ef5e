"""The table of the reliability page: the last run of `make test-full`."""

import json

from .records import DATA, table

BACKENDS = ("torch", "tensorflow", "jax")


def full_tests() -> str:
    """What `make test-full` recorded on each backend."""
    rows = []
    for backend in BACKENDS:
        file = DATA / f"tests-{backend}.json"
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
