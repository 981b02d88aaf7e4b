"""``flowzoo evaluate``: bits/dim of a trained run, beside the Gaussian floor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowzoo.cli.choose import JsonOption
from flowzoo.cli.console import complain, print_json
from flowzoo.cli.evaluation_table import print_evaluation
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.streams import results
from flowzoo.cli.subject import DataOption, DeviceOption, ExactOption, ModelArgument, WorkersOption
from flowzoo.errors import FileError
from flowzoo.shell import word

if TYPE_CHECKING:
    from flowzoo.evaluation.image_bits import ImageBits
    from flowzoo.evaluation.report import Evaluation


def evaluate(
    run: ModelArgument,
    split: Annotated[
        str, typer.Option("--split", help="Images to measure on: train, validation or test.")
    ] = "test",
    images: Annotated[
        int | None,
        typer.Option("--images", help="Use only the first N images.", show_default="all of the split"),
    ] = None,
    importance_samples: Annotated[
        int,
        typer.Option(
            "--importance-samples",
            help="Number of random draws for each image: of the noise, and of coarse images if the model "
            "draws them. More draws give a tighter bound and take longer.",
        ),
    ] = 1,
    exact: ExactOption = None,
    audit: Annotated[
        bool,
        typer.Option(
            "--audit/--no-audit",
            help="Check that the model is a probability density, and measure the error of its ODE solver. "
            "A figure without this check is never ranked.",
        ),
    ] = True,
    audit_seconds: Annotated[
        float,
        typer.Option(
            "--audit-seconds",
            help="Seconds for the main check of the density audit, and for the audit of the solver.",
        ),
    ] = 20.0,
    floor: Annotated[
        bool,
        typer.Option(
            "--floor/--no-floor",
            help="Also measure the Gaussian floor: one Gaussian fitted to the same images, which a "
            "useful model beats.",
        ),
    ] = True,
    labels: Annotated[
        bool,
        typer.Option(
            "--labels/--no-labels",
            help="For a model with classes: also measure the bits/dim given the class of each image, and how "
            "often the class is found. It takes a pass for every class.",
        ),
    ] = True,
    cache: Annotated[
        bool,
        typer.Option("--cache/--no-cache", help="Keep the fitted floor for other runs on the same data."),
    ] = True,
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size", help="Number of images to compute at once. Lower it if memory runs out."
        ),
    ] = 100,
    seed: Annotated[
        int, typer.Option("--seed", help="Random seed for the noise and for estimated traces.")
    ] = 0,
    device: DeviceOption = "auto",
    workers: WorkersOption = 0,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", help="JSON file to write.", show_default="RUN/evaluation-SPLIT.json, see above"
        ),
    ] = None,
    data: DataOption = None,
    assignments: MovedOption = None,
    as_json: JsonOption = False,
    draws: Annotated[int | None, typer.Option("--draws", hidden=True)] = None,
) -> None:
    """Measure the bits/dim of a trained run, print them, and write them to a file in the run folder.

    The file is evaluation-SPLIT.json. Options that change what is measured become part of its name, for
    example evaluation-test-images20.json, so that a quick look at a few images does not replace the figure
    of the whole split. The bits/dim of each image are kept in a second file beside it, for flowzoo compare.

    For a saved model, name the data set with --data. Its figure is written only if --output is given.

    The figure is written before the audit and the floor begin, and again when they are done. So it is kept
    if you stop the command early.
    """
    moved = read_moved(assignments)
    if draws is not None:  # the option's name in older versions
        importance_samples = draws
    from flowzoo.cli.progress import counting_each
    from flowzoo.evaluation import report
    from flowzoo.evaluation.image_bits import bits_file, write_bits
    from flowzoo.evaluation.observer import Observer
    from flowzoo.files import check_output
    from flowzoo.integers import positive_integer
    from flowzoo.loading import is_run
    from flowzoo.training.stop import stoppable

    if images is not None:
        images = positive_integer("--images", images)
    if output is not None:
        check_output(output, "JSON file")
    chosen: dict[str, Any] = {
        "data": data,
        "seed": seed or None,
        "samples": importance_samples if importance_samples != 1 else None,
        "exact": exact,
        "estimate": exact is False,
        "no-audit": not audit,
        "no-floor": not floor,
        "no-labels": not labels,
    }

    def write(evaluation: Evaluation) -> Path | None:
        if output is None and not is_run(run):
            return None
        partly = evaluation.images if evaluation.images != evaluation.split_images else None
        place = output or report.evaluation_file(run, split, {"images": partly, **chosen})
        report.write_evaluation(evaluation, place)
        return place

    def keep(evaluation: Evaluation, bits: ImageBits) -> None:
        # What cannot be written is said once, when the figure is shown.
        with suppress(FileError):
            place = write(evaluation)
            if place is not None:
                kept.append(place)
                if output is None:
                    write_bits(bits, bits_file(place))

    kept: list[Path] = []
    with _saying_what_is_kept(kept), stoppable(), counting_each() as count:
        audited = count("% of the density audit")
        audited_given_class = count("% of the density audit given the class")
        evaluation = report.evaluate(
            run,
            data,
            split,
            images=images,
            floor=floor,
            labels=labels,
            device=device,
            cache=cache,
            workers=workers,
            data_options=moved,
            observer=Observer(
                images=count("images"),
                solver_audit=count("images of the audit of the solver"),
                audit=lambda share: audited(round(100 * share), 100),
                floor=count("images for the Gaussian floor"),
                labels=count("images for each class"),
                labels_audit=lambda share: audited_given_class(round(100 * share), 100),
                measured=keep,
            ),
            importance_samples=importance_samples,
            exact=exact,
            batch_size=batch_size,
            seed=seed,
            audit=audit,
            audit_seconds=audit_seconds,
        )
    for note in evaluation.data_notes:
        complain(f"warning: {note}. Compare this figure only with others on the same images.")
    try:
        print_json(asdict(evaluation)) if as_json else print_evaluation(evaluation)
        results().flush()
    finally:
        # Shown first, and kept even if nobody reads: it took long to measure.
        try:
            write(evaluation)
        except FileError as error:
            raise FileError(
                f"{error}. The figure above is complete. To keep it, name another file: --output FILE"
            ) from error


@contextmanager
def _saying_what_is_kept(kept: Sequence[Path]) -> Iterator[None]:
    """Say what is kept of an evaluation that is interrupted, and how to go on."""
    from flowzoo.training.stop import Interrupted

    try:
        yield
    except Interrupted as stop:
        if kept:
            complain(
                f"interrupted; the bits/dim are kept in {word(kept[-1])}, without the checks that were still "
                "to come. To complete them, run the same command again; it measures the images once more."
            )
        else:
            complain(
                "interrupted before a figure was written; nothing is kept. Run the same command again, or "
                "measure fewer images with --images N."
            )
        raise typer.Exit(128 + stop.signal) from stop
