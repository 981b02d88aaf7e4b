"""``flowzoo bench submit``: check results, and pack them for a repository of results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import console, say, table
from flowzoo.cli.roots import RootsOption, read_roots
from flowzoo.cli.subject import DeviceOption
from flowzoo.errors import OptionError

WRONG = 1
"""Exit status if a record cannot be submitted."""


def submit(
    results: Annotated[Path, typer.Argument(help="Folder of results, or one suite's folder in it.")],
    repository: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of the repository of results to copy them to. Without it they are only checked.",
            show_default=False,
        ),
    ] = None,
    images: Annotated[
        int, typer.Option("--images", min=2, help="Measure so many images of each model again.")
    ] = 64,
    kit: Annotated[
        bool, typer.Option("--kit/--no-kit", help="Run the conformance kit on the models' components.")
    ] = True,
    comment: Annotated[
        Path | None,
        typer.Option(
            "--comment", help="Write the new rows, beside the Gaussian and Glow, to this Markdown file."
        ),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", help="Your name or project, which is noted beside the record.")
    ] = "",
    roots: RootsOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Check results, and copy them into a repository of results.

    Each model is measured again on some images, and its components must pass the conformance kit. Nothing is
    copied if one of the records has a fault. The exit status is then 1.
    """
    from flowzoo.bench.report.markdown import table_lines
    from flowzoo.bench.store import read_results
    from flowzoo.cli.progress import counting_each
    from flowzoo.files import write_text
    from flowzoo.submission import check_results, pack, rows_beside

    folders = {name: {"root": folder} for name, folder in read_roots(roots).items()}
    found = read_results(results)
    if found.skipped:
        first = found.skipped[0]
        raise OptionError(f"{first.path.name} is no result: {first.reason}. Repair or remove it first")
    with counting_each() as counting:
        checked = check_results(
            found, images=images, by=by, device=device, kit=kit, data_options=folders, counting=counting
        )
    listing = table("model", "data", "seed", "verdict")
    listing.columns[2].justify = "right"
    for each in checked:
        row = each.result.label, each.result.data.title, str(each.result.seed)
        listing.add_row(
            *row, "cannot be submitted" if each.faults else "ok", style="red" if each.faults else None
        )
    console().print(listing)
    for each in checked:
        for fault in each.faults:
            say(f"{each.title}: {fault}")
    wrong = sum(bool(each.faults) for each in checked)
    place = results
    if repository is not None and not wrong:
        made = pack(checked, repository)
        place = repository / "results"
        say(f"copied {len(made)} record{'s' if len(made) != 1 else ''} to {place}")
    if comment is not None:
        labels = sorted({each.result.label for each in checked})
        lines = [line for block in rows_beside(read_results(place), labels) for line in table_lines(block)]
        write_text(comment, "\n".join(lines) + "\n")
        say(f"wrote {comment}")
    if wrong:
        say(f"{wrong} of {len(checked)} records cannot be submitted, so nothing was copied")
        raise typer.Exit(WRONG)
    if repository is None:
        say(f"all {len(checked)} records can be submitted")
