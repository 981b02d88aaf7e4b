"""``flowzoo bench claims``: what the records of a suite say of the claims of papers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowzoo.cli.choose import JsonOption
from flowzoo.cli.console import console, print_json, say
from flowzoo.errors import OptionError

if TYPE_CHECKING:
    from flowzoo.bench.claims import Verdict

COLOURS = {"reproduced": "green", "contradicted": "red", "undecided": "yellow", "not measured": "dim"}


def claims(
    results: Annotated[Path, typer.Argument(help="Folder of results.")],
    suite: Annotated[
        str, typer.Option("--suite", help="Name of the suite that states the claims, or a YAML file.")
    ] = "claims",
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Write the verdicts as Markdown to this file.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw the differences with their intervals: a PNG, SVG or PDF file."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge the claims of papers by the records of a suite.

    A claim says that one row of the suite is better than another. It is reproduced if the 95 % interval of
    their difference lies on the claimed side of zero, contradicted if it lies on the other side, and
    undecided otherwise, or with one seed. Bits/dim are compared image by image, other figures seed by seed.

    A verdict holds at the scale of the suite: its images, its budget, its sizes of models.
    """
    from flowzoo.bench.claims import verdicts
    from flowzoo.bench.store import read_results
    from flowzoo.bench.suites import find_suite
    from flowzoo.files import write_text
    from flowzoo.plots import check_plot

    if plot is not None:
        check_plot(plot)
    asked = find_suite(suite)
    if not asked.claims:
        raise OptionError(f"suite '{asked.name}' states no claims. Name one that does, such as claims")
    found = read_results(results)
    records = [each for each in found.results if each.suite == asked.name and each.status == "finished"]
    judged = list(verdicts(asked, records, found.bits))
    if as_json:
        print_json([{**asdict(each), "claim": each.claim.model_dump()} for each in judged])
    else:
        _print(judged)
    if markdown is not None:
        write_text(markdown, _markdown(judged))
        say(f"wrote {markdown}")
    if plot is not None:
        from flowzoo.bench.claims_plot import plot_verdicts

        plot_verdicts(judged, plot)
        say(f"wrote {plot}")


def _print(judged: Sequence[Verdict]) -> None:
    out = console()
    for each in judged:
        out.print(f"{each.outcome}: {each.claim.claim}", style=COLOURS[each.outcome], soft_wrap=True)
        out.print(f"  {evidence_of(each)}", soft_wrap=True)
        if each.claim.source:
            out.print(f"  source: {each.claim.source}", soft_wrap=True, style="dim")
    if not judged:
        out.print("no cell of this suite is finished. Run it first: flowzoo bench run claims")


def evidence_of(verdict: Verdict) -> str:
    """Return the figures in words."""
    claim = verdict.claim
    level = "" if verdict.level is None else f", seconds to {verdict.level:.3f} bits/dim"
    what = f"{claim.metric}{level}{f', {claim.detail}' if claim.detail else ''} on {verdict.data}"
    first, second = verdict.figures
    if first is None or second is None or verdict.difference is None:
        return f"{what}: {verdict.reason}"
    seeds = f"{len(verdict.seeds)} seed{'s' if len(verdict.seeds) != 1 else ''}"
    other = f" ({claim.than_metric})" if claim.than_metric else ""
    words = (
        f"{what}: {claim.row} {first:.4g}, {claim.than}{other} {second:.4g}, "
        f"difference {verdict.difference:+.3g}"
    )
    if verdict.interval is None:
        return f"{words} ({seeds}): {verdict.reason}"
    low, high = verdict.interval
    how = "image by image, " if verdict.paired else ""
    margin = f", against {claim.margin:+.3g}" if claim.margin else ""
    reason = f"; {verdict.reason}" if verdict.reason else ""
    return f"{words}, 95 % interval {low:+.3g} to {high:+.3g} ({how}{seeds}){margin}{reason}"


def _markdown(judged: Sequence[Verdict]) -> str:
    lines = ["| verdict | claim | evidence | source |", "|---|---|---|---|"]
    for each in judged:
        cells = (each.outcome, each.claim.claim, evidence_of(each), each.claim.source)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
