"""An evaluation in words: the figure, and the conditions under which it holds."""

from __future__ import annotations

from flowzoo.evaluation.audit import Audit
from flowzoo.evaluation.density.outcome import DensityAudit
from flowzoo.evaluation.labels import GivenClass
from flowzoo.evaluation.report import Evaluation


def facts_of(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return the figure and each of its conditions as text, by name; those that do not apply are left out."""
    facts: list[tuple[str, str]] = [
        ("model", evaluation.model),
        ("data", f"{evaluation.data} {evaluation.data_revision}, {evaluation.split} split"),
        ("bits/dim", f"{_bits(evaluation.bits_per_dim, evaluation.standard_error)}  (lower is better)"),
        ("not ranked", "; ".join(evaluation.objections)),
        *_given_class(evaluation),
        ("Gaussian floor", _floor(evaluation)),
        ("images", _images(evaluation)),
        ("training", "mirrors each image with probability 1/2" if evaluation.flips else ""),
        ("dequantisation", evaluation.dequantisation),
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


def _given_class(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Return the figures of a model with classes; the bits/dim are those of images without a label."""
    found = evaluation.given_class
    if found is None:
        return []
    trace = f"; trace: {found.trace}" if found.trace else ""
    told = f"it is told the class, and is never compared with bits/dim{trace}"
    return [
        ("summed over classes", _summed(found)),
        ("given the class", f"{_bits(found.bits_per_dim, found.standard_error)}  ({told})"),
        ("audit given the class", _audited_given_class(found.density)),
        (
            "class accuracy",
            f"{100 * found.accuracy:.1f} ± {100 * found.accuracy_error:.1f} % of "
            f"{_counted(found.images)}, among "
            f"{found.classes} classes, by Bayes' rule",
        ),
    ]


def _audited_given_class(density: DensityAudit | None) -> str:
    if density is None:
        return "not done"
    return "; ".join([*density.objections, _density(density)])


def _summed(found: GivenClass) -> str:
    bits = found.summed_bits_per_dim
    return (
        ""
        if bits is None
        else f"{bits:.4f}  (a density of images without labels too: sum of p(class) p(x | class))"
    )


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
