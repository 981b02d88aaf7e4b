"""``flowzoo bench``: suites, run and read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flowzoo.cli.bench_compare import compare
from flowzoo.cli.bench_report import report
from flowzoo.cli.choose import JsonOption
from flowzoo.cli.command import add_command
from flowzoo.cli.console import complain, console, print_json, say, table
from flowzoo.errors import OptionError
from flowzoo.registry.loader import default_registry
from flowzoo.shell import word

if TYPE_CHECKING:
    from flowzoo.bench.suite import Suite

RESULTS = Path("results")

_NARROW = 100
"""On a terminal of fewer columns, a suite's data and budget stand below its summary."""

SOME_FAILED = 1
"""Exit status where a cell failed, this time or before."""

app = typer.Typer(
    no_args_is_help=True,
    help="Run suites of trainings and measurements, and read their results.",
    epilog="Example: flowzoo bench run quick, then flowzoo bench report results --html report.html",
)


def run(
    suite: Annotated[str, typer.Argument(help="Name of a suite (flowzoo bench list), or a YAML file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of results; made if it is not there.")] = RESULTS,
    models: Annotated[str, typer.Option("--models", help="Only rows whose label matches.")] = "*",
    data: Annotated[str, typer.Option("--data", help="Only data sets whose name matches.")] = "*",
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="Instead of the suite's: 0,1,2.", show_default=False)
    ] = None,
    roots: Annotated[
        list[str] | None,
        typer.Option(
            "--root",
            metavar="DATA=FOLDER",
            help="Where a data set's files are; may be repeated.",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[
        Literal["never", "failed", "always"],
        typer.Option("--overwrite", help="Which of the cells that have a result to run again."),
    ] = "never",
    jobs: Annotated[int, typer.Option("--jobs", help="Cells at the same time; slows each down.")] = 1,
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", help="Seconds that a cell may take.", show_default="the suite's"),
    ] = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    precision: Annotated[
        Literal["float32", "tf32", "bfloat16"] | None,
        typer.Option(
            "--precision", help="Number format of training.", show_default="the suite's, or float32"
        ),
    ] = None,
    allow_failures: Annotated[
        bool, typer.Option("--allow-failures", help="Exit with status 0 even if cells failed.")
    ] = False,
) -> None:
    """Run a suite: train and measure every row on every data set with every seed, in a process each.

    What has a result is not run again, so an interrupted suite goes on when the command is repeated.
    Exit status 1 if a cell failed.
    """
    from flowzoo.bench.cell import ambiguous, cells_of, missing, rows_of, select
    from flowzoo.bench.runner import Runner
    from flowzoo.bench.store import suite_folder
    from flowzoo.bench.suites import find_suite
    from flowzoo.cli.suite_progress import SuiteProgress

    asked = find_suite(suite)
    asked = _with_roots(asked, roots or [])
    if seeds is not None:
        asked = asked.model_copy(update={"seeds": _numbers(seeds)})
    training = {} if precision is None else {"precision": precision}
    for row in rows_of(asked):
        reason = missing(asked, row)
        if reason:
            complain(f"left out '{row.label or row.name}': {reason}")
    for name, reason in ambiguous(asked).items():
        complain(f"left out '{name}': {reason}")
    cells = select(cells_of(asked, training), models, data)
    with SuiteProgress(asked.name, len(cells)) as progress:
        runner = Runner(
            out,
            device=device,
            jobs=jobs,
            overwrite=overwrite,
            timeout=timeout if timeout is not None else asked.timeout,
            watcher=progress,
        )
        results = runner.run(cells)
    failed = sum(result.status == "failed" for result in results)
    say(
        f"{len(results)} cell{'s' if len(results) != 1 else ''} in {suite_folder(out, asked.name)}: "
        f"{len(results) - failed} finished, {failed} failed"
    )
    if failed:
        say("to run those again: add --overwrite failed")
    say(f"next: flowzoo bench report {word(out)} --html {word(out / 'report.html')}")
    if failed and not allow_failures:
        raise typer.Exit(SOME_FAILED)


def list_suites(as_json: JsonOption = False) -> None:
    """List the suites, and how many cells, trainings, each has."""
    from flowzoo.bench.suites import find_suite
    from flowzoo.errors import FlowzooError

    registry = default_registry()
    rows: list[dict[str, Any]] = []
    for component in registry.components("suite"):
        try:
            rows.append(_described(find_suite(component.name)))
        except FlowzooError as error:
            rows.append({"name": component.name, "summary": f"cannot be read: {error}"})
    if as_json:
        print_json(rows)
        return
    out = console()
    narrow = out.width < _NARROW
    listing = table("suite", "cells", *([] if narrow else ["data", "budget"]), "summary")
    listing.columns[1].justify = "right"
    for row in rows:
        name, cells, summary = row["name"], str(row.get("cells", "-")), row["summary"]
        given = [", ".join(row.get("data", ())), row.get("budget", "")]
        if narrow:
            below = "; ".join(filter(None, given))
            listing.add_row(name, cells, f"{summary}\n{below}" if below else summary)
        else:
            listing.add_row(name, cells, *given, summary)
    out.print(listing)


def _described(suite: Suite) -> dict[str, Any]:
    from flowzoo.bench.cell import rows_of

    budget = {name: amount for name, amount in suite.budget.model_dump().items() if amount is not None}
    return {
        "name": suite.name,
        "summary": suite.summary,
        "cells": len(rows_of(suite)) * len(suite.data) * len(suite.seeds),
        "data": [data.name for data in suite.data],
        "budget": ", ".join(f"{amount:,.0f} {name}" for name, amount in budget.items()),
        "seeds": suite.seeds,
        "metrics": [metric.name for metric in suite.metrics],
    }


def _numbers(text: str) -> list[int]:
    from flowzoo.seeds import check_seed

    try:
        found = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(f"--seeds takes numbers separated by commas, as in 0,1,2; got '{text}'") from error
    return [check_seed(seed) for seed in dict.fromkeys(found)]


def _with_roots(suite: Suite, assignments: Sequence[str]) -> Suite:
    """Return the suite with folders of files set as its data sets' option ``root``."""
    roots: dict[str, str] = {}
    known = [data.name for data in suite.data]
    for assignment in assignments:
        name, separator, folder = assignment.partition("=")
        if not separator or not folder:
            raise OptionError(
                f"--root takes DATA=FOLDER, got '{assignment}'; "
                "try --root fashion-mnist=/usr/share/datasets/fashion-mnist"
            )
        if name not in known:
            raise OptionError(
                f"--root {assignment}: the suite has no data set '{name}'; it has: {', '.join(known)}"
            )
        roots[name] = folder
    data = [
        each.model_copy(update={"options": {**each.options, "root": roots[each.name]}})
        if each.name in roots
        else each
        for each in suite.data
    ]
    return suite.model_copy(update={"data": data})


add_command(app, "run", run, "flowzoo bench run quick --models 'msflow-*' --seeds 0,1")
add_command(app, "list", list_suites, "flowzoo bench list")
add_command(app, "report", report, "flowzoo bench report results --html report.html")
add_command(app, "compare", compare, "flowzoo bench compare before after")
