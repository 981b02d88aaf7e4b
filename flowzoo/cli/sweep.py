"""``flowzoo sweep``: search for a model's options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flowzoo.cli.choose import JsonOption
from flowzoo.cli.console import complain, console, print_json, say, table
from flowzoo.cli.subject import DeviceOption
from flowzoo.errors import OptionError
from flowzoo.files import write_text
from flowzoo.shell import word

if TYPE_CHECKING:
    from flowzoo.bench.result import Result
    from flowzoo.sweep.settings import Sweep
    from flowzoo.sweep.study import Trial

SHOWN = 10
"""Number of the best trials that are shown."""

ALL_FAILED = 1
"""Exit status where each trial failed, as that of flowzoo bench run where a cell failed."""


def sweep(
    file: Annotated[
        Path, typer.Argument(help="YAML file with model, data, budget, trials and search.", metavar="FILE")
    ],
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the trials. It is made if it does not exist.")
    ] = Path("sweep"),
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="Number of trials in all.", show_default="the file's"),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option("--minutes", help="Begin no trial after so many minutes.", show_default="the file's"),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="Number of trials at the same time.")] = 1,
    show: Annotated[bool, typer.Option("--show", help="Only show the trials that were made so far.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", help="Draw all trials into this picture file: .png, .svg or .pdf."),
    ] = None,
    as_json: JsonOption = False,
    device: DeviceOption = "auto",
) -> None:
    """Search for good options of a model by training it many times.

    Each trial is a cell of the benchmark: it leaves a record, which flowzoo bench report reads. Trials are
    chosen by bits/dim of validation images; test images are never read. Repeat the command to continue an
    interrupted search, or with a larger --trials to extend it. Ctrl-C loses nothing. The exit
    status is 1 if each trial of this search failed.

    A file: {model: glow, data: digits, budget: {seconds: 60}, trials: 30, search: {training.learning_rate:
    {low: 1e-4, high: 1e-2, log: true}, levels: {low: 1, high: 3}, joint.network.hidden: [16, 32]}}. All keys:
    https://flowzoo.github.io/flowzoo/sweeps/
    """
    from flowzoo.plots import check_plot
    from flowzoo.sweep.settings import read_sweep
    from flowzoo.sweep.study import require_optuna

    require_optuna()
    asked = read_sweep(file, trials=trials, minutes=minutes)
    if plot is not None:
        check_plot(plot)
    made, failed = (_made(asked, out), False) if show else _search(asked, out, jobs, device)
    best = sorted(
        (each for each in made if each.bits_per_dim is not None and each.state == "finished"),
        key=lambda each: each.bits_per_dim or 0.0,
    )
    if plot is not None and (best or not failed):
        _draw(asked, best, made, plot)
    if as_json:
        print_json([asdict(trial) for trial in made])
    else:
        _print(asked, best, made, out)
    if failed:
        complain(f"each trial of this search failed; for the reasons: flowzoo bench report {word(out)}")
        raise typer.Exit(ALL_FAILED)


def _print(asked: Sweep, best: Sequence[Trial], made: Sequence[Trial], out: Path) -> None:
    _print_table(asked, best)
    states = [trial.state for trial in made]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    say(f"{len(made)} trial{'s' if len(made) != 1 else ''} in {out}: {counts or 'none yet'}")
    if best:
        _keep_best(asked, best[0], out)


def _search(asked: Sweep, out: Path, jobs: int, device: str) -> tuple[list[Trial], bool]:
    """Return all trials, and whether each that ended now failed, or each of all if none ended now."""
    from flowzoo.cli.suite_progress import SuiteProgress
    from flowzoo.sweep.run import SweepError, run_sweep
    from flowzoo.sweep.study import FILE

    before = _made(asked, out) if (out / FILE).is_file() else []
    done = {trial.number for trial in before if trial.state != "running"}
    with SuiteProgress(asked.name, max(0, (asked.asked.trials or 0) - len(done)), _said) as progress:
        try:
            made = run_sweep(asked, out, jobs=jobs, device=device, watcher=progress)
        except SweepError as error:
            complain(f"error: {error}")
            raise typer.Exit(ALL_FAILED) from error
    ended = [trial for trial in made if trial.state != "running"]
    judged = [trial for trial in ended if trial.number not in done] or ended
    return made, bool(judged) and all(trial.state == "failed" for trial in judged)


def _made(asked: Sweep, out: Path) -> list[Trial]:
    from flowzoo.sweep.study import FILE, Study

    if not (out / FILE).is_file():
        raise OptionError(
            f"there is no sweep in {out}; name its folder with --out, or leave out --show to begin"
        )
    return Study(asked, out, writes=False).trials()


def _said(result: Result) -> str:
    from flowzoo.bench.result import QUALITY, STOPPED

    if result.failure is not None:
        return f"{'pruned' if result.failure.cause == STOPPED else 'failed'}: {result.failure.reason}"
    measured = result.metrics[QUALITY]
    if measured.value is None:
        return f"failed: {'; '.join(measured.objections)}"
    return f"{measured.value:.3f} bits/dim of validation images"


def _draw(asked: Sweep, best: Sequence[Trial], made: Sequence[Trial], plot: Path) -> None:
    from flowzoo.sweep.picture import draw_sweep

    if not best:
        raise OptionError(f"no trial has finished, so there is nothing to draw into {plot}")
    draw_sweep(asked, made, plot)


def _print_table(asked: Sweep, best: Sequence[Trial]) -> None:
    if not best:
        return
    shown = table("trial", "bits/dim", *asked.space)
    for trial in best[:SHOWN]:
        values = (_short(trial.values[name]) for name in asked.space)
        shown.add_row(str(trial.number), f"{trial.bits_per_dim:.4f}", *values)
    console().print(shown)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _keep_best(asked: Sweep, best: Trial, out: Path) -> None:
    import yaml

    from flowzoo.experiment.settings import settings_of

    experiment = asked.cell(best.number, best.values).experiment
    path = out / "best.yaml"
    note = f"# Trial {best.number} of the sweep {asked.name}, {asked.tuning}\n"
    write_text(path, note + yaml.safe_dump(settings_of(experiment), sort_keys=False))
    say(f"next: flowzoo train --config {word(path)} --out {word(out / 'best')}")
