"""``flowzoo train``: a model, a data set and a budget to a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from flowzoo.cli.console import say
from flowzoo.cli.moved import read_moved
from flowzoo.cli.settings import read_settings
from flowzoo.errors import FileError, OptionError
from flowzoo.shell import word


def train(
    model: Annotated[str, typer.Argument(help="Name of the model; left out with --resume.")] = "",
    data: Annotated[
        str | None, typer.Option("--data", help="Name of the data set.", show_default="digits")
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Run folder; new, or that of the run to resume.")] = Path(
        "run"
    ),
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Training time in seconds, in all.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Number of training steps, in all.")] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Random seed of weights, noise and order of the data.", show_default="0"),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", help="YAML file of settings.")] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting; may be repeated.", show_default=False),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
) -> None:
    """Train a model into a run folder.

    Settings are the model's options (flowzoo show MODEL), training.batch_size, training.learning_rate
    and so on, the data set's, such as data.root, and pixels. docs/training-and-evaluation.md has them all.
    """
    settings = read_settings(config, assignments or [])
    from flowzoo.cli.data_report import said_of
    from flowzoo.cli.progress import clock
    from flowzoo.cli.training_progress import TrainingBar
    from flowzoo.training.budget import Budget
    from flowzoo.training.start import resume_run, start_run

    given = steps is not None or seconds is not None
    budget = Budget(steps=steps, seconds=seconds) if given else None
    if resume:
        if model or config or data is not None or seed is not None:
            raise OptionError(
                "--resume goes on with the run as it is; leave out MODEL, --data, --seed, --config and --set "
                "(but for --set data.root=FOLDER, where the images have moved)"
            )
        moved = read_moved(assignments)
    elif not model:
        raise OptionError("name the model to train (flowzoo list shows them), or add --resume")
    elif budget is None:
        raise OptionError("say how long to train: --seconds 60, or --steps 1000")
    with _saying_what_is_kept(out), TrainingBar() as bar:
        if budget is None or resume:
            record = resume_run(out, budget=budget, data_options=moved, device=device, reporter=bar)
        else:
            record = start_run(
                out,
                model,
                data or "digits",
                budget=budget,
                options=settings.options,
                pixels=settings.pixels,
                data_options=settings.data,
                training=settings.training,
                seed=seed or 0,
                device=device,
                reporter=bar,
                inspected=bar.inspected,
                begins=lambda record: bar.say(said_of(record)),
            )
    say(f"trained {record.model} on {record.data}: {record.steps} steps, {clock(record.seconds)}")
    say(f"next: flowzoo evaluate {word(out)}    flowzoo sample {word(out)} -o {word(out / 'samples.png')}")


@contextmanager
def _saying_what_is_kept(out: Path) -> Iterator[None]:
    """Add to the error of a file that cannot be written how training goes on from where it was."""
    try:
        yield
    except FileError as error:
        if not (out / "run.json").is_file():
            raise
        raise FileError(
            f"{error}; training up to the last checkpoint is kept, go on with: "
            f"flowzoo train --resume --out {word(out)}"
        ) from error
