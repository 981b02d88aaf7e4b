"""``flowzoo bench verify``: measure recorded models again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from flowzoo.cli.console import console, say, table
from flowzoo.cli.roots import RootsOption, read_roots
from flowzoo.cli.subject import DeviceOption
from flowzoo.errors import OptionError

WRONG = 1
"""Exit status if a record was not confirmed."""


def verify(
    results: Annotated[
        Path, typer.Argument(help="Folder of results, one suite's folder in it, or one JSON file.")
    ],
    images: Annotated[
        int | None,
        typer.Option(
            "--images",
            min=2,
            help="Measure only the first N images again.",
            show_default="all that were measured",
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            help="Verify only models whose label matches this pattern, as in 'msflow-*'. Give it several "
            "times for several patterns.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="Your name or project, which is noted beside the record.")
    ] = "",
    roots: RootsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Verify recorded figures: load each model that was kept, and measure the same images again.

    A record is confirmed if its files are those that were measured, its key follows from what it states, and
    its model is the one that it describes, gives the same bits/dim for each image and passes the density
    audit. What was found is noted in a file beside the record, and reports mark confirmed rows with a check
    mark. The exit status is 1 if a record was not confirmed.
    """
    from flowzoo.bench.cell import matching
    from flowzoo.bench.store import identity, read_results
    from flowzoo.bench.verification import write_verification
    from flowzoo.bench.verify import can_be_verified, verify
    from flowzoo.cli.progress import counting_each

    folders = read_roots(roots)
    found = read_results(results)
    labels = matching("label", models or (), [each.label for each in found.results])
    chosen = [each for each in found.results if each.label in labels]
    kept = [each for each in chosen if can_be_verified(each)]
    if not kept:
        raise OptionError(
            "there is nothing to verify: no record here keeps its weights. Run the suite with --keep"
        )
    listing = table("model", "data", "seed", "images", "mean", "largest", "verdict")
    for column in listing.columns[2:6]:
        column.justify = "right"
    faults: dict[str, tuple[str, ...]] = {}
    with counting_each() as counting:
        for result in kept:
            path = found.paths[identity(result)]
            title = f"{result.label} on {result.data.title}, seed {result.seed}"
            options: dict[str, Any] = (
                {"root": folders[result.data.name]} if result.data.name in folders else {}
            )
            outcome = verify(
                path,
                result,
                images=images,
                by=by,
                device=device,
                data_options=options,
                count=counting(title),
            )
            write_verification(path, outcome)
            numbers = ("-" if each is None else f"{each:+.6f}" for each in (outcome.mean, outcome.largest))
            verdict = "confirmed" if outcome.passed else "not confirmed"
            listing.add_row(
                result.label, result.data.title, str(result.seed), str(outcome.images), *numbers, verdict,
                style=None if outcome.passed else "red",
            )  # fmt: skip
            if not outcome.passed:
                faults[title] = outcome.faults
    console().print(listing)
    for title, lines in faults.items():
        for line in lines:
            say(f"{title}: {line}")
    counts = Counter(each in kept for each in chosen)
    say(
        f"{len(kept) - len(faults)} of {len(kept)} records confirmed"
        + (f"; {counts[False]} keep no weights, so they cannot be verified" if counts[False] else "")
    )
    if faults:
        raise typer.Exit(WRONG)
