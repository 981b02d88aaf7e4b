"""``flowzoo bench site``: a folder of results as a static site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import say


def site(
    results: Annotated[Path, typer.Argument(help="Folder of results, such as results of a repository.")],
    out: Annotated[
        Path, typer.Option("--out", help="Folder of the site. It is made if it does not exist.")
    ] = Path("site"),
    suite: Annotated[str | None, typer.Option("--suite", help="Only this suite.")] = None,
) -> None:
    """Build a static site: all leaderboards with filters, and a page for each model.

    A model's page has its figures, validation curve, samples and settings, and says how to load it.
    """
    from flowzoo.bench.report.leaderboard import make_report
    from flowzoo.bench.report.site import write_site
    from flowzoo.bench.store import read_results

    found = read_results(results)
    made = write_site(make_report(found, suite), found, out)
    say(f"wrote {len(made)} pages; open {made[0]} in a browser")
