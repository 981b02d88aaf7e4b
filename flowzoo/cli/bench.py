"""``flowzoo bench``: suites, run and read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flowzoo.cli.bench_claims import claims
from flowzoo.cli.bench_compare import compare
from flowzoo.cli.bench_report import report
from flowzoo.cli.bench_site import site
from flowzoo.cli.bench_submit import submit
from flowzoo.cli.bench_verify import verify
from flowzoo.cli.choose import JsonOption
from flowzoo.cli.command import add_command
from flowzoo.cli.completion import names_of
from flowzoo.cli.console import complain, console, print_json, say, table
from flowzoo.cli.engine_options import (
    AddressOption,
    CpusOption,
    EngineOption,
    GpusOption,
    MinutesOption,
    PartitionOption,
    RetriesOption,
)
from flowzoo.cli.roots import RootsOption, read_roots
from flowzoo.cli.subject import DeviceOption
from flowzoo.errors import OptionError
from flowzoo.registry.loader import default_registry
from flowzoo.shell import word

if TYPE_CHECKING:
    from flowzoo.bench.suite import Suite

RESULTS = Path("results")

_NARROW = 100
"""On a terminal with fewer columns, a suite's data and budget are shown below its summary."""

SOME_FAILED = 1
"""Exit status where a cell failed, this time or before."""

app = typer.Typer(
    no_args_is_help=True,
    help="Benchmark models: run suites of trainings, then report and compare their results.",
    epilog="Example: flowzoo bench run quick, then flowzoo bench report results --html report.html",
)


def run(
    suite: Annotated[
        str,
        typer.Argument(
            help="Name of a suite (see flowzoo bench list), or a YAML file.", autocompletion=names_of("suite")
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the results. It is made if it does not exist.")
    ] = RESULTS,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models",
            help="Run only models whose label matches this pattern, as in 'msflow-*'. Give it several times "
            "for several patterns.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            help="Run only data sets whose label matches this pattern. Give it several times, too.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds", help="Use these seeds instead of the suite's, as in 0,1,2.", show_default=False
        ),
    ] = None,
    roots: RootsOption = None,
    overwrite: Annotated[
        Literal["never", "failed", "always"],
        typer.Option("--overwrite", help="Which finished cells to run again."),
    ] = "never",
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            help="Number of cells at the same time. On one machine, more than one slows each down.",
            show_default="1, or as many as the engine has room for",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            help="Stop a cell after this many seconds, its density audit included.",
            show_default="the suite's",
        ),
    ] = None,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--no-keep",
            help="Keep each cell's weights, and the bits/dim of each image, beside its record.",
            show_default="the suite's",
        ),
    ] = None,
    device: DeviceOption = "auto",
    precision: Annotated[
        Literal["float32", "tf32", "bfloat16"] | None,
        typer.Option(
            "--precision",
            help="Number format of matrix products in training.",
            show_default="the suite's, or float32",
        ),
    ] = None,
    engine: EngineOption = "local",
    address: AddressOption = None,
    cpus: CpusOption = None,
    gpus: GpusOption = None,
    retries: RetriesOption = None,
    partition: PartitionOption = None,
    minutes: MinutesOption = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="List the cells, and how each would be started, but run none."),
    ] = False,
    allow_failures: Annotated[
        bool, typer.Option("--allow-failures", help="Exit with status 0 even if cells failed.")
    ] = False,
) -> None:
    """Run a suite: train each of its models on each data set with each seed, and measure the results.

    One such training is a cell, and runs in a process of its own. Finished cells are kept, so repeat the
    command to continue an interrupted suite. The exit status is 1 if a cell failed.

    With --engine, cells run on Ray or Slurm instead of this machine. --address, --cpus, --gpus, --retries,
    --partition and --minutes are options of these engines.
    """
    from flowzoo.bench.cell import ambiguous, cells_of, missing, rows_of, select, without_missing_metrics
    from flowzoo.bench.engines.known import choose, preview
    from flowzoo.bench.engines.remote import ENGINE_FOLDER, RemoteLauncher
    from flowzoo.bench.runner import Runner
    from flowzoo.bench.store import suite_folder
    from flowzoo.bench.suites import find_suite
    from flowzoo.cli.suite_progress import SuiteProgress

    options = {
        "address": address,
        "cpus": cpus,
        "gpus": gpus,
        "retries": retries,
        "partition": partition,
        "minutes": minutes,
    }
    chosen = choose(engine, {name: value for name, value in options.items() if value is not None})
    asked = find_suite(suite)
    asked = _with_roots(asked, roots or [])
    if seeds is not None:
        asked = asked.model_copy(update={"seeds": _numbers(seeds)})
    if keep is not None:
        asked = asked.model_copy(update={"keep": keep})
    training = {} if precision is None else {"precision": precision}
    for row in rows_of(asked):
        reason = missing(asked, row)
        if reason:
            complain(f"left out '{row.label or row.name}': {reason}")
    asked, absent = without_missing_metrics(asked)
    for name, reason in {**ambiguous(asked), **absent}.items():
        complain(f"left out '{name}': {reason}")
    cells = select(cells_of(asked, training), models or (), data or ())
    folder = suite_folder(out, asked.name)
    if dry_run:
        for cell in cells:
            say(cell.title)
        say(preview(chosen, folder / ENGINE_FOLDER))
        return
    with SuiteProgress(asked.name, len(cells)) as progress:
        runner = Runner(
            out,
            device=device,
            jobs=jobs,
            overwrite=overwrite,
            timeout=timeout if timeout is not None else asked.timeout,
            watcher=progress,
            launcher=RemoteLauncher(chosen, folder / ENGINE_FOLDER) if chosen else None,
        )
        results = runner.run(cells)
    failed = sum(result.status == "failed" for result in results)
    say(
        f"{len(results)} cell{'s' if len(results) != 1 else ''} in {folder}: "
        f"{len(results) - failed} finished, {failed} failed"
    )
    if failed:
        say("To run the failed cells again, add --overwrite failed.")
    say(f"next: flowzoo bench report {word(out)} --html {word(out / 'report.html')}")
    if failed and not allow_failures:
        raise typer.Exit(SOME_FAILED)


def list_suites(as_json: JsonOption = False) -> None:
    """List the suites, with the number of cells (trainings) in each."""
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
        raise OptionError(f"--seeds needs numbers separated by commas, as in 0,1,2. Got '{text}'.") from error
    return [check_seed(seed) for seed in dict.fromkeys(found)]


def _with_roots(suite: Suite, assignments: Sequence[str]) -> Suite:
    """Return the suite with folders of files set as its data sets' option ``root``."""
    roots = read_roots(assignments)
    known = [data.name for data in suite.data]
    for name, folder in roots.items():
        if name not in known:
            raise OptionError(
                f"--root {name}={folder}: the suite has no data set '{name}'. "
                f"Its data sets: {', '.join(known)}"
            )
    data = [
        each.model_copy(update={"options": {**each.options, "root": roots[each.name]}})
        if each.name in roots
        else each
        for each in suite.data
    ]
    return suite.model_copy(update={"data": data})


add_command(
    app,
    "run",
    run,
    "flowzoo bench run quick --models 'msflow-*' --models glow --seeds 0,1\n"
    "flowzoo bench run quick --engine ray --cpus 1\n"
    "flowzoo bench run quick --engine slurm --partition gpu --gpus 1 --minutes 240 --dry-run",
)
add_command(app, "list", list_suites, "flowzoo bench list")
add_command(app, "report", report, "flowzoo bench report results --html report.html")
add_command(app, "site", site, "flowzoo bench site results --out site")
add_command(app, "verify", verify, "flowzoo bench verify results --images 64")
add_command(app, "submit", submit, "flowzoo bench submit results ../flowzoo-results --by 'My lab'")
add_command(app, "claims", claims, "flowzoo bench claims results --suite claims")
add_command(app, "compare", compare, "flowzoo bench compare before after")
