"""``flowzoo train``: a model, a data set and a budget to a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flowzoo.cli.completion import logs, names_of, run_folders
from flowzoo.cli.console import complain, say
from flowzoo.cli.engine_options import AddressOption
from flowzoo.cli.moved import read_moved
from flowzoo.cli.settings import Settings, read_settings
from flowzoo.cli.subject import DeviceOption, WorkersOption
from flowzoo.cli.together import FAILED, begun_before, follow_leader, leading, say_that_one_is_lost
from flowzoo.errors import FileError, OptionError
from flowzoo.shell import word
from flowzoo.training.together.launch import launch

if TYPE_CHECKING:
    from flowzoo.experiment.budget import Budget
    from flowzoo.experiment.experiment import Experiment
    from flowzoo.training.apart.launcher import LevelLauncher
    from flowzoo.training.together.leader import Leader


def train(
    model: Annotated[
        str,
        typer.Argument(help="Name of the model; left out with --resume.", autocompletion=names_of("model")),
    ] = "",
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="Name of the data set, such as digits.",
            show_default=False,
            autocompletion=names_of("dataset"),
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Run folder; new, or that of the run to resume.",
            show_default="run",
            autocompletion=run_folders,
        ),
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--seconds", help="Training time in seconds, in all.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Number of training steps, in all.")] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", help="Random seed of weights, noise and order of the data.", show_default="0"),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="YAML file of settings, or a run folder whose settings are used again."
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting; may be repeated.", show_default=False),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(
            "--log",
            metavar="LOG",
            help="Write a log besides the run folder's own: csv, tensorboard or wandb. Can be repeated. With "
            "--resume, the logs go on by themselves, and --log none ends them.",
            show_default=False,
            autocompletion=logs,
        ),
    ] = None,
    log_samples: Annotated[
        int | None,
        typer.Option(
            "--log-samples",
            metavar="N",
            min=0,
            help="Draw samples into RUN/samples with every Nth validation; 0 for none.",
            show_default="with --log: at each validation, if drawing takes at most a tenth of the time",
        ),
    ] = None,
    parallel: Annotated[
        Literal["levels"] | None,
        typer.Option(
            "--parallel",
            help="Train the levels at the same time, each in a process of its own, and join them at the end. "
            "The weights are those of training.order=separately, which it sets.",
            show_default=False,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            help="Number of levels that train at the same time, with --parallel.",
            show_default="one for each level, at most one for each core",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            help="With --parallel, where levels train: local, ray, slurm, or a YAML file with engine and its "
            "options.",
            show_default="local",
        ),
    ] = None,
    address: AddressOption = None,
    grow: Annotated[
        str | None,
        typer.Option(
            "--grow",
            metavar="MODEL",
            help="Start from a trained model of smaller images (a run folder or a saved model). Its levels "
            "become the coarse levels of the new model and stay as they are; only the finer levels train.",
            show_default=False,
            autocompletion=run_folders,
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Print the settings as YAML for --config; train nothing.")
    ] = False,
    device: DeviceOption = "auto",
    workers: WorkersOption = 0,
) -> None:
    """Train a model into a run folder.

    Settings are the model's options (flowzoo show MODEL), training.batch_size, training.learning_rate and so
    on, the data set's options, such as data.root, and pixels. --print-config prints all options of training.
    A file for --config holds model, data, budget, seed and out as well; the command line overrides it.
    Ctrl-C saves a checkpoint before training ends. Several GPUs train one model if torchrun starts flowzoo
    (docs/several-gpus.md).
    """
    place = launch()
    if place.follows:
        follow_leader(place, device, workers, out)
        return
    with leading(place) as leader:
        if resume:
            others = {"MODEL": bool(model), "--data": data is not None, "--seed": seed is not None}
            others |= {"--config": config is not None, "--print-config": print_config}
            others |= {"--grow": grow is not None}
            named = [name for name, is_given in others.items() if is_given]
            if named:
                raise OptionError(
                    f"--resume goes on with the run as it was started; leave out {' and '.join(named)}, "
                    "or start a new run without --resume"
                )
            settings = Settings({}, {}, read_moved(assignments), None)
        else:
            settings = read_settings(config, assignments or [])
        from flowzoo.cli.progress import clock
        from flowzoo.cli.training_progress import TrainingBar
        from flowzoo.experiment.budget import Budget
        from flowzoo.experiment.log_options import log_options
        from flowzoo.training.apart.levels_apart import Apart, require_no_other_order
        from flowzoo.training.resume import resume_run
        from flowzoo.training.start import start_run

        for option, given in (("--jobs", jobs), ("--engine", engine), ("--address", address)):
            if given is not None and parallel is None and not resume:
                raise OptionError(
                    f"{option} is for levels that train at the same time. Add --parallel levels"
                )
        has_budget = steps is not None or seconds is not None
        budget = Budget(steps=steps, seconds=seconds) if has_budget else None
        out = out or settings.out or Path("run")
        apart = None
        if parallel or any(each is not None for each in (jobs, engine, address)):
            # A file's order is overridden, as all settings of files are by the command line.
            require_no_other_order({} if resume else read_settings(None, assignments or []).training)
            apart = Apart(jobs, device, _launcher(engine or "local", address, out))
        experiment = None if resume else _experiment(settings, model, data, budget, seed, apart is not None)
        if experiment is None or begun_before(place, out, experiment):
            with _saying_what_is_kept(out, leader), TrainingBar() as bar:
                record = resume_run(
                    out,
                    budget=budget,
                    data_options=settings.data,
                    device=device,
                    workers=workers,
                    reporter=bar,
                    log=log or None,
                    samples_every=log_samples,
                    apart=apart,
                    leader=leader,
                )
        else:
            logs = log_options(log or None, log_samples)
            if print_config:
                _print(experiment, grow or settings.grown)
                return
            if grow is None and settings.grown is not None:
                raise OptionError(
                    f"{config} grew from {settings.grown}, and without --grow all levels would train. Add "
                    f"--grow {word(settings.grown)}. If all are to train, print the settings to a file with "
                    "--print-config, and train with that file"
                )
            with _saying_what_is_kept(out, leader), TrainingBar() as bar:
                record = start_run(
                    out,
                    experiment,
                    device=device,
                    workers=workers,
                    reporter=bar,
                    log=logs,
                    apart=apart,
                    grow_from=grow,
                    leader=leader,
                )
    trained = record.experiment
    say(f"trained {trained.model} on {trained.data}: {record.steps} steps, {clock(record.seconds)}")
    say(f"next: flowzoo evaluate {word(out)}    flowzoo sample {word(out)} -o {word(out / 'samples.png')}")
    if "tensorboard" in record.log.writers:
        say(f"curves: tensorboard --logdir {word(out / 'tensorboard')}")


def _experiment(
    settings: Settings, model: str, data: str | None, budget: Budget | None, seed: int | None, apart: bool
) -> Experiment:
    """Return the experiment of a file's settings, overridden by what the command line gives."""
    from flowzoo.experiment.parse import parse_experiment

    name, data_name = model or settings.model, data or settings.data_name
    if not name:
        raise OptionError("name the model to train (flowzoo list shows them), or add --resume")
    if not data_name:
        raise OptionError(
            "name a data set: --data digits, or another one that flowzoo list --kind dataset shows"
        )
    if budget is None and settings.budget is None:
        raise OptionError(
            "say how long to train: --seconds 60, or --steps 1000; in a file, budget: {steps: 1000}"
        )
    return parse_experiment(
        {
            "model": name,
            "options": settings.options,
            "pixels": settings.pixels,
            "data": data_name,
            "data_options": settings.data,
            "training": {**settings.training, **({"order": "separately"} if apart else {})},
            "budget": budget or settings.budget,
            "seed": settings.seed if seed is None else seed,
        }
    )


def _print(experiment: Experiment, grown: str | None) -> None:
    import yaml

    from flowzoo.cli.streams import results
    from flowzoo.experiment.settings import settings_of
    from flowzoo.registry.loader import default_registry
    from flowzoo.registry.options import resolve

    registry = default_registry()
    resolve(registry, registry.find("model", experiment.model), experiment.options)  # refuses wrong ones
    resolve(registry, registry.find("dataset", experiment.data), experiment.data_options)
    if grown is not None:
        results().write(f"# add --grow {word(grown)} to train the finer levels alone\n")
    results().write(yaml.safe_dump(settings_of(experiment), sort_keys=False))


def _launcher(engine: str, address: str | None, out: Path) -> LevelLauncher | None:
    """Return what starts the levels of a run through an engine; None for processes of this machine."""
    from flowzoo.bench.engines.known import choose
    from flowzoo.bench.engines.remote import RemoteLauncher
    from flowzoo.runfolder import RunFolder

    chosen = choose(engine, {} if address is None else {"address": address})
    return RemoteLauncher(chosen, RunFolder(out).levels / "engine") if chosen else None


@contextmanager
def _saying_what_is_kept(out: Path, leader: Leader | None) -> Iterator[None]:
    """Say how training goes on, where it was interrupted or a file could not be written."""
    from flowzoo.training.stop import Interrupted
    from flowzoo.training.together.team import LostProcessError

    go_on = f"flowzoo train --resume --out {word(out)}"
    try:
        yield
    except FileError as error:
        if not (out / "run.json").is_file():
            raise
        raise FileError(
            f"{error}; training up to the last checkpoint is kept, go on with: {go_on}"
        ) from error
    except LostProcessError as error:
        assert leader is not None, "a process alone loses no other"
        say_that_one_is_lost(leader.team, error, out)
        raise typer.Exit(FAILED) from error
    except Interrupted as stop:
        saved = (out / "run.json").is_file()
        if stop.step and saved:
            complain(f"interrupted at step {stop.step}, which is saved; go on with: {go_on}")
        elif saved:
            complain(f"interrupted; training up to the last checkpoint is saved; go on with: {go_on}")
        else:
            complain("interrupted before the first step; nothing is kept")
        raise typer.Exit(128 + stop.signal) from stop
