"""kae reproduce: records, trained and measured again."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import as_json, echo, echo_json, echo_table

if TYPE_CHECKING:
    from ..bench.records import Record
    from ..bench.reproduce import Outcome


@click.command()
@click.argument("name", required=False)
@click.option(
    "--seeds", type=click.IntRange(1), default=5, show_default=True, help="How many trainings of each."
)
@click.option("--list", "list_only", is_flag=True, help="Show the records and what others published.")
@click.option("--quick", is_flag=True, help="Two epochs on a few digits, to try it out.")
@click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    help="Folder of the run folders.  [default: runs/records, or runs/records-quick]",
)
@as_json
def reproduce(
    name: str | None, seeds: int, list_only: bool, quick: bool, runs_dir: Path | None, as_json: bool
) -> None:
    """Train and measure the record NAME from several seeds, and show it beside published figures.

    A second call goes on where the first was stopped. NAME: reconstruction, likelihood, clustering,
    probe, few-labels, generation or coverage.
    """
    from ..bench.records import RECORDS
    from ..errors import UsageError
    from ..system.hints import did_you_mean

    if name is not None and name not in RECORDS:
        raise UsageError(
            f"no record {name!r}{did_you_mean(name, RECORDS)}\nThe records: {', '.join(RECORDS)}."
        )
    if list_only or name is None:
        _list([*RECORDS.values()] if name is None else [RECORDS[name]], as_json)
        return
    from ..bench.reproduce import reproduce

    folder = runs_dir or Path("runs", "records-quick" if quick else "records")
    record = RECORDS[name]
    outcomes = reproduce(
        record,
        seeds,
        folder,
        quick=quick,
        say=lambda line: echo(line, err=True),
    )
    if as_json:
        echo_json(_numbers(record, outcomes, quick))
        return
    echo(f"{record.protocol} {'Less' if record.less else 'More'} is better.\n")
    header = ("", "ours", "seeds", "untrained", "published")
    echo_table(header, [_line(outcome) for outcome in outcomes])
    if quick:
        echo("\nTwo epochs on a few digits: these numbers compare with nothing.")


def _list(records: list["Record"], as_json: bool) -> None:
    if as_json:
        echo_json({"records": [_numbers(record, [], False) for record in records]})
        return
    for record in records:
        echo(f"{record.name}: {record.protocol}")
        for row in record.rows:
            published = "; ".join(f"{each.value:g} ({each.source})" for each in row.published)
            echo(f"    {row.label}: {published or 'nothing published that could be read'}")


def _line(outcome: "Outcome") -> list[str]:
    spread = "" if outcome.deviation is None else f" ± {outcome.deviation:.2g}"
    published = ", ".join(f"{each.value:g}" for each in outcome.row.published)
    untrained = "-" if outcome.untrained is None else f"{outcome.untrained:.4g}"
    return [
        outcome.row.label,
        f"{outcome.mean:.4g}{spread}",
        str(len(outcome.seeds)),
        untrained,
        published or "-",
    ]


def _numbers(record: "Record", outcomes: list["Outcome"], quick: bool) -> dict[str, object]:
    by_row = {outcome.row.label: outcome for outcome in outcomes}
    rows: list[dict[str, object]] = []
    for row in record.rows:
        found = by_row.get(row.label)
        rows.append(
            {
                "row": row.label,
                "settings": dict(row.settings),
                "mean": found and found.mean,
                "std": found and found.deviation,
                "seeds": list(found.seeds) if found else [],
                "untrained": found and found.untrained,
                "published": [vars(each) for each in row.published],
            }
        )
    return {
        "record": record.name,
        "protocol": record.protocol,
        "less_is_better": record.less,
        "quick": quick,
        "rows": rows,
    }
