"""``flowzoo evaluate``: bits/dim of a trained run, beside the Gaussian floor."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flowzoo.cli.choose import JsonOption
from flowzoo.cli.console import console, print_json, table
from flowzoo.cli.moved import MovedOption, read_moved
from flowzoo.cli.streams import results
from flowzoo.errors import FileError

if TYPE_CHECKING:
    from flowzoo.evaluation.audit import Audit
    from flowzoo.evaluation.density.outcome import DensityAudit
    from flowzoo.evaluation.report import Evaluation

NEVER_RANKED = "never ranked"


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder, as flowzoo train made it.")],
    split: Annotated[str, typer.Option("--split", help="train, validation or test.")] = "test",
    images: Annotated[int | None, typer.Option("--images", help="Use the first N images only.")] = None,
    importance_samples: Annotated[
        int,
        typer.Option(
            "--importance-samples",
            "--draws",
            help="Random samples for each image: of noise, and of coarse images if the model draws them. "
            "More samples tighten the bound.",
        ),
    ] = 1,
    exact: Annotated[
        bool | None,
        typer.Option(
            "--exact/--estimate",
            help="Trace of continuous flows, exact or estimated. Default: exact up to 64 dimensions.",
        ),
    ] = None,
    audit: Annotated[
        bool,
        typer.Option(
            "--audit/--no-audit",
            help="Check that the model is a valid density, and measure the error of its solver.",
        ),
    ] = True,
    audit_seconds: Annotated[
        float,
        typer.Option(
            "--audit-seconds",
            help="Approximate seconds for the audit's main check. Its other checks take extra time.",
        ),
    ] = 20.0,
    floor: Annotated[bool, typer.Option("--floor/--no-floor", help="Fit the Gaussian floor too.")] = True,
    cache: Annotated[
        bool, typer.Option("--cache/--no-cache", help="Fit the floor once for all runs on the same data.")
    ] = True,
    batch_size: Annotated[int, typer.Option("--batch-size", help="Images at once.")] = 100,
    seed: Annotated[
        int, typer.Option("--seed", help="Random seed of the noise and of estimated traces.")
    ] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="JSON file to write.", show_default="RUN/evaluation-SPLIT.json"),
    ] = None,
    assignments: MovedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure bits/dim of a trained run, show it, and write it to RUN/evaluation-SPLIT.json."""
    moved = read_moved(assignments)
    from flowzoo.cli.progress import counting_each
    from flowzoo.evaluation.report import evaluate_run, evaluation_file, write_evaluation
    from flowzoo.files import check_output

    if output is not None:
        check_output(output, "JSON file")
    with counting_each() as count:
        audited = count("% of the audit")
        evaluation = evaluate_run(
            run,
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
        )
    try:
        print_json(asdict(evaluation)) if as_json else _print(evaluation)
        results().flush()
    finally:
        # Shown first, and kept even if nobody reads: it took long to measure.
        try:
            write_evaluation(evaluation, output or evaluation_file(run, split))
        except FileError as error:
            raise FileError(
                f"{error}; the figure above is complete, --output FILE keeps it elsewhere"
            ) from error


def _print(evaluation: Evaluation) -> None:
    facts = table("", "")
    for name, value in _facts(evaluation):
        facts.add_row(name, value)
    console().print(facts)
    shares = table("share", "bits/dim")
    shares.columns[1].justify = "right"
    for name, share in evaluation.terms.items():
        shares.add_row(name, f"{share:.4f}")
    shares.add_row("sum", f"{sum(evaluation.terms.values()):.4f}", style="bold")
    console().print()
    console().print(shares)


def _facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    def bits(value: float, error: float | None) -> str:
        return f"{value:.4f}" + ("" if error is None else f" ± {error:.4f}")

    facts: list[tuple[str, Any]] = [
        ("model", evaluation.model),
        ("data", f"{evaluation.data} {evaluation.data_revision}, {evaluation.split} split"),
        ("bits/dim", bits(evaluation.bits_per_dim, evaluation.standard_error) + _caveat(evaluation)),
    ]
    floor = evaluation.gaussian_bits_per_dim
    if floor is None:
        facts.append(("gaussian", evaluation.gaussian_remark))
    else:
        remarks = ["closed form, same pixels", evaluation.gaussian_remark]
        if evaluation.bits_per_dim >= floor:
            remarks.append(f"{evaluation.model} is worse than this floor")
        said = "; ".join(filter(None, remarks))
        facts.append(("gaussian", f"{bits(floor, evaluation.gaussian_standard_error)}  ({said})"))
    facts += [
        (
            "images",
            f"{evaluation.images}, {evaluation.importance_samples} sample(s) of uniform noise each",
        ),
        ("proposal", evaluation.proposal),
        ("trace", evaluation.trace),
        ("solver", evaluation.solver),
        ("density", "not audited" if evaluation.density is None else _density(evaluation.density)),
        ("solver's error", "" if evaluation.audit is None else _audit(evaluation.audit)),
        ("evaluations", f"{evaluation.evaluations:g} a batch" if evaluation.evaluations else ""),
        ("parameters", f"{evaluation.parameters:,}"),
        ("seconds", f"{evaluation.seconds:.1f}"),
    ]
    if evaluation.joint_bits_per_dim is not None:
        no_bound = f"no bound on the likelihood of the images; {NEVER_RANKED}"
        facts.append(("joint_bpd", f"{evaluation.joint_bits_per_dim:.4f}  ({no_bound})"))
    return [(name, value) for name, value in facts if value]


def _audit(audit: Audit) -> str:
    return (
        f"{audit.mean:+.5f} bits/dim on average, {audit.worst:.5f} at worst "
        f"({audit.images} image(s) against {audit.judge})"
    )


def _density(density: DensityAudit) -> str:
    if density.worst is None:
        return f"failed ({density.seconds:.1f} s)"
    return (
        f"{'passed' if density.passed else 'failed'}: log p off by at most {density.worst:.2g} bits/dim "
        f"(limit {density.tolerance:g}), checked on {density.images} image(s), {density.method}, by "
        f"{density.derivatives}, in {density.seconds:.1f} s"
    )


def _caveat(evaluation: Evaluation) -> str:
    objections = [] if evaluation.valid else [*evaluation.objections, NEVER_RANKED]
    said = [*evaluation.data_notes, *objections]
    return f"  ({'; '.join(said)})" if said else ""
