"""kae models: the variants and their tables."""

import dataclasses

import click

from ..architecture import Stack, Variant
from ..variants import VARIANTS, find
from .options import as_json, echo_json, echo_table


@click.command()
@click.argument("name", required=False)
@as_json
def models(name: str | None, as_json: bool) -> None:
    """List the variants, or print the table of the one called NAME: each row with output shape and parameters."""
    if name is None:
        chosen = list(VARIANTS.values())
        if as_json:
            echo_json({"variants": [summary(variant) for variant in chosen]})
        else:
            rows = [(v.name, str(v.latent), f"{v.parameters:,}", v.summary) for v in chosen]
            echo_table(("variant", "latent", "parameters", ""), rows)
        return
    variant = find(name)
    if as_json:
        echo_json({**summary(variant), "encoder": table(variant.encoder), "decoder": table(variant.decoder), "note": variant.note})
    else:
        click.echo(f"{variant.name}: {variant.summary}\n\n{variant.table()}\n")
        click.echo(f"recipe: {variant.recipe}")
        if variant.note:
            click.echo(f"\n{variant.note}")


def summary(variant: Variant) -> dict[str, object]:
    return {
        "name": variant.name,
        "summary": variant.summary,
        "image": list(variant.image),
        "latent": variant.latent,
        "switches": {name: list(shape) for name, shape in variant.switches.items()},
        "parameters": variant.parameters,
        "recipe": dataclasses.asdict(variant.recipe),
    }


def table(stack: Stack) -> list[dict[str, object]]:
    return [{"name": step.name, "row": str(step.layer), "output": list(step.output), "parameters": step.layer.parameters} for step in stack]
