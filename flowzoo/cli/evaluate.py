"""``flowzoo evaluate``: bits/dim of a trained run, beside the Gaussian floor."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowzoo.cli.choose import JsonOption
from flowzoo.cli.console import complain, console, print_json, table
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.streams import results
from flowzoo.cli.subject import DataOption, DeviceOption, ModelArgument
from flowzoo.errors import FileError

if TYPE_CHECKING:
    from flowzoo.evaluation.audit import Audit
    from flowzoo.evaluation.density.outcome import DensityAudit
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
            help="Random samples for each image, of its noise and of what the model draws. More give a "
            "tighter bound and take longer.",
        ),
    ] = 1,
    exact: Annotated[
        bool | None,
        typer.Option(
            "--exact/--estimate",
            help="Compute the trace of continuous flows exactly, or estimate it, which is faster.",
            show_default="exact up to 64 dimensions",
        ),
    ] = None,
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
            help="Seconds for the main check of the audit. Its other checks come on top.",
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
    from flowzoo.files import check_output
    from flowzoo.integers import positive_integer
    from flowzoo.loading import is_run

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
            if output is None and place is not None:
                write_bits(bits, bits_file(place))

    with counting_each() as count:
        audited = count("% of the density audit")
        evaluation = report.evaluate(
            run,
            data,
            split,
            images=images,
            importance_samples=importance_samples,
            exact=exact,
            floor=floor,
            batch_size=batch_size,
            seed=seed,
            audit=audit,
            audit_seconds=audit_seconds,
            device=device,
            cache=cache,
            data_options=moved,
            progress=count("images"),
            auditing=lambda share: audited(round(100 * share), 100),
            floor_progress=count("images for the Gaussian floor"),
            measured=keep,
        )
    for note in evaluation.data_notes:
        complain(f"warning: {note}. Compare this figure only with others on the same images.")
    try:
        print_json(asdict(evaluation)) if as_json else _print(evaluation)
        results().flush()
    finally:
        # Shown first, and kept even if nobody reads: it took long to measure.
        try:
            write(evaluation)
        except FileError as error:
            raise FileError(
                f"{error}. The figure above is complete. To keep it, name another file: --output FILE"
            ) from error


def _print(evaluation: Evaluation) -> None:
    facts = table("", "")
    for name, value in _facts(evaluation):
        facts.add_row(name, value)
    console().print(facts)
    terms = table("terms of the figure", "bits/dim")
    terms.columns[1].justify = "right"
    for name, term in evaluation.terms.items():
        terms.add_row(name, f"{term:.4f}")
    terms.add_row("sum", f"{sum(evaluation.terms.values()):.4f}", style="bold")
    console().print()
    console().print(terms)


def _facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = [
        ("model", evaluation.model),
        ("data", f"{evaluation.data} {evaluation.data_revision}, {evaluation.split} split"),
        ("bits/dim", f"{_bits(evaluation.bits_per_dim, evaluation.standard_error)}  (lower is better)"),
        ("not ranked", "; ".join(evaluation.objections)),
        ("Gaussian floor", _floor(evaluation)),
        ("images", _images(evaluation)),
        ("training", "mirrors each image with probability 1/2" if evaluation.flips else ""),
        ("drawn by the model", evaluation.proposal),
        ("trace", evaluation.trace),
        ("ODE solver", evaluation.solver),
        ("density audit", "not done" if evaluation.density is None else _density(evaluation.density)),
        ("solver's error", "" if evaluation.audit is None else _audit(evaluation.audit)),
        ("solver's work", f"{evaluation.evaluations:g} evaluations of vector fields per batch"),
        ("parameters", f"{evaluation.parameters:,}"),
        ("seconds", f"{evaluation.seconds:.1f} without the audit and the floor"),
    ]
    if not evaluation.evaluations:
        facts = [fact for fact in facts if fact[0] != "solver's work"]
    if evaluation.joint_bits_per_dim is not None:
        explained = "of images and drawn coarse images together; no bound for the images alone, never ranked"
        facts.append(("joint_bpd", f"{evaluation.joint_bits_per_dim:.4f}  ({explained})"))
    return [(name, value) for name, value in facts if value]


def _bits(value: float, error: float | None) -> str:
    return f"{value:.4f}" + ("" if error is None else f" ± {error:.4f}")


def _images(evaluation: Evaluation) -> str:
    counted, whole = evaluation.images, evaluation.split_images
    part = f"the first {counted:,} of {whole:,}" if whole and whole != counted else f"all {counted:,}"
    samples = evaluation.importance_samples
    return f"{part}, with {samples} random sample{'s' if samples != 1 else ''} of noise each"


def _floor(evaluation: Evaluation) -> str:
    floor = evaluation.gaussian_bits_per_dim
    if floor is None:
        return evaluation.gaussian_remark
    remarks = [evaluation.gaussian_remark]
    if evaluation.bits_per_dim >= floor:
        remarks.insert(0, f"{evaluation.model} is worse than the Gaussian floor (higher is worse)")
    said = "; ".join(filter(None, remarks))
    return _bits(floor, evaluation.gaussian_standard_error) + (f"  {said}" if said else "")


def _audit(audit: Audit) -> str:
    return (
        f"{audit.mean:+.5f} bits/dim on average, at most {audit.worst:.5f} for one image "
        f"({_counted(audit.images)}, compared with {audit.judge} in double precision)"
    )


def _density(density: DensityAudit) -> str:
    if density.worst is None:
        return f"failed after {density.seconds:.1f} s"
    return (
        f"{'passed' if density.passed else 'failed'}: log p is off by at most {density.worst:.2g} bits/dim "
        f"(allowed: {density.tolerance:g}); {_counted(density.images)}, model checked {density.method}, "
        f"derivatives by {density.derivatives}, {density.seconds:.1f} s"
    )


def _counted(images: int) -> str:
    return f"{images} image{'s' if images != 1 else ''}"
