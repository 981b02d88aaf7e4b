"""The checks that each kind must pass, and how they are run."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from flowzoo.component import Kind
from flowzoo.errors import UnknownNameError, did_you_mean
from flowzoo.origin import raised_in
from flowzoo.testing import (
    autoregressive,
    bands,
    bijectors,
    commands,
    common,
    copying,
    datasets,
    dequantisations,
    devices,
    differences,
    far,
    handling,
    invertible,
    metrics,
    models,
    networks,
    revisions,
    splits,
    suites,
    transforms,
    values,
    variants,
)
from flowzoo.testing.bijectors import Bijector
from flowzoo.testing.context import uses_its_context
from flowzoo.testing.declaration import declares_a_sensible_trial
from flowzoo.testing.dequantisations import Noise
from flowzoo.testing.exhaustive import adds_up_to_its_mass
from flowzoo.testing.invertible import Invertible
from flowzoo.testing.models import Model
from flowzoo.testing.networks import Net
from flowzoo.testing.result import CheckFailed, CheckResult, NeedsFiles, PassedWithNote
from flowzoo.testing.splits import Split
from flowzoo.testing.subject import Subject
from flowzoo.testing.surroundings import apart_from_others
from flowzoo.testing.transforms import Transform
from flowzoo.testing.trial import Trial, trials_of

TrialCheck = Callable[[Trial], None]

S = TypeVar("S", bound=Subject)
V = TypeVar("V", bound=Invertible)


def check_component(
    kind: Kind,
    name: str,
    *,
    seed: int = 0,
    told: Callable[[CheckResult], object] | None = None,
    **options: Any,
) -> list[CheckResult]:
    """Run every check of a kind on a registered component, in each of its trials.

    Args:
        kind: The component's kind.
        name: Its registered name.
        seed: Seed of weights and images.
        told: Called with each result.
        options: Options besides those that the component declares for its trials, such as a data set's
            ``root``.

    Returns:
        A result for each check and trial; :func:`~flowzoo.testing.result.findings` sums them up.

    Raises:
        UnknownNameError: There is no such component.
    """
    results: list[CheckResult] = []
    for trial in trials_of(kind, name, seed, **options):
        for check in checks_for(kind, trial.component.exact):
            results.append(run_check(trial, check))
            if told is not None:
                told(results[-1])
    return results


def checks_for(kind: Kind, exact: bool = True) -> list[str]:
    """Return the names of the checks that a component of a kind must pass.

    Args:
        kind: The component's kind.
        exact: Whether the component declares to be exact.
    """
    return list(_checks(kind, exact))


def run_check(trial: Trial, check: str) -> CheckResult:
    """Run one check.

    Args:
        trial: A trial of the component; see :func:`~flowzoo.testing.trial.trial_of`.
        check: One of :func:`checks_for` its kind.

    Raises:
        UnknownNameError: There is no such check for the kind.
    """
    known = _checks(trial.component.kind, trial.component.exact)
    if check not in known:
        raise UnknownNameError(
            f"no check '{check}'{did_you_mean(check, known) or ';'} "
            f"those of a {trial.component.kind}: {', '.join(known)}"
        )
    return replace(_outcome(known[check], trial, check), trial=trial.title)


def _outcome(made: TrialCheck, trial: Trial, check: str) -> CheckResult:
    try:
        with apart_from_others(check):
            made(trial)
    except CheckFailed as failure:
        cause = "" if failure.__cause__ is None else _describe(failure.__cause__)
        return CheckResult(check, False, str(failure), cause=cause)
    except NeedsFiles as missing:
        return CheckResult(check, False, str(missing), needs_files=True)
    except PassedWithNote as remark:
        return CheckResult(check, True, note=str(remark))
    except (Exception, SystemExit) as error:  # any exception of a component is a finding about it
        return CheckResult(check, False, _describe(error), cause=_describe(error))
    return CheckResult(check, True)


def _checks(kind: Kind, exact: bool) -> Mapping[str, TrialCheck]:
    own = _INVERTIBLE[kind, exact] if (kind, exact) in _INVERTIBLE else _OTHERS[kind]
    return {"declaration": declares_a_sensible_trial, **own}


def _on(kind: type[S], checks: Mapping[str, Callable[[type[S], Trial], None]]) -> dict[str, TrialCheck]:
    return {name: functools.partial(check, kind) for name, check in checks.items()}


_COMMON = {
    "images-apart": common.keeps_images_apart,
    "gradients": common.has_gradients,
    "dtype-and-device": common.keeps_dtype_and_device,
    "state": common.saves_its_state,
    "new-weights": common.follows_its_parameters,
    "repeatable": common.repeats_itself,
    "global-random-state": common.leaves_global_state_alone,
    "gradient-slopes": differences.has_right_gradients,
    "layouts": handling.takes_any_layout,
    "inputs-unchanged": handling.leaves_inputs_alone,
    "module-modes": handling.ignores_module_modes,
    "copies": copying.can_be_copied,
    "growth": copying.does_not_grow,
    "double-precision": devices.computes_in_double,
}

# Not for whole models, which refuse torch's device without values that this check works with.
_PART = {"other-device": devices.runs_elsewhere}

_BIJECTION = {
    "shapes": invertible.has_shapes,
    "round-trip": invertible.inverts,
    "log-det": invertible.has_exact_log_det,
    "first-pass": common.makes_one_first_pass,
    **_COMMON,
}

_STOCHASTIC = {**_BIJECTION, "log-det": invertible.draws_its_log_det}

_BIJECTOR = {
    "autoregressive": autoregressive.is_triangular,
    "context": uses_its_context,
    "contributions": bijectors.contributes_its_log_det,
    "loss": bijectors.has_the_stated_loss,
    "pointwise": bijectors.is_pointwise,
    "phases": bijectors.has_sound_phases,
}

_TRANSFORM = {
    "permutation": transforms.moves_values,
    "bands": bands.lays_out_bands,
    "stochastic": transforms.draws_if_it_says_so,
}

_DENSITY = {"density": transforms.draws_from_a_density}


def _everywhere(*own: Callable[[type[V], Trial], None]) -> dict[str, Callable[[type[V], Trial], None]]:
    """Return checks of values, shapes and options that a component's own trial does not try."""
    light = (invertible.has_shapes, invertible.inverts, *own, differences.has_right_gradients)
    return {
        "far-values": far.holds_far_out,
        "other-shapes": variants.for_other_shapes(*light),
        "other-options": variants.under_other_options(*light),
        **_PART,
    }


_EXACT = _everywhere(invertible.has_exact_log_det)
_EXACT_BIJECTOR = _everywhere(invertible.has_exact_log_det, autoregressive.is_triangular)
_DRAWN = _everywhere(invertible.draws_its_log_det)


def _model(*light: Callable[[type[Model], Trial], None]) -> dict[str, Callable[[type[Model], Trial], None]]:
    """Return checks of shapes, options and pixels that a model's own trial does not try."""
    return {
        "other-shapes": variants.for_other_shapes(*light),
        "other-options": variants.under_other_options(*light),
        "other-pixels": models.with_other_pixels(*light),
    }


_STEPS = (invertible.has_shapes, invertible.inverts)

_MODEL = {
    "terms": models.has_terms_that_add_up,
    "level-losses": models.has_level_losses,
    "samples": models.samples,
    "save-and-load": models.saves_and_loads,
    "separate-levels": models.trains_levels_apart,
    "shared-memory": models.keeps_parameters_apart,
    "bits-per-dim": models.gives_bits_per_dim,
    "other-bins": models.counts_other_bins,
    "refusals": models.refuses_bad_images,
    "probabilities": adds_up_to_its_mass,
    "creation": models.leaves_global_state_alone_when_created,
}

_ANY_SPLIT = (splits.has_stated_shapes, splits.merges_what_it_split, splits.permutes)

_SPLIT = {
    "shapes": splits.has_stated_shapes,
    "round-trip": splits.merges_what_it_split,
    "permutation": splits.permutes,
    "unscored": splits.keeps_all_while_unscored,
    "fit": splits.is_fitted_first,
    "other-shapes": variants.for_other_shapes(*_ANY_SPLIT),
    "other-options": variants.under_other_options(*_ANY_SPLIT),
    **_PART,
    **_COMMON,
}

_ANY_NETWORK = (networks.has_network_shapes, differences.has_right_gradients, networks.pushes_tangents)

_NETWORK = {
    "shapes": networks.has_network_shapes,
    "context": uses_its_context,
    "time": networks.uses_its_time,
    "jvp": networks.pushes_tangents,
    "receptive-radius": networks.stays_within_its_reach,
    "prepared": networks.prepares_anew,
    "values": networks.reads_no_values,
    "other-shapes": variants.for_other_shapes(*_ANY_NETWORK),
    "other-options": variants.under_other_options(*_ANY_NETWORK),
    **_PART,
    **_COMMON,
}

_ANY_NOISE = (dequantisations.stays_in_the_bin, dequantisations.has_its_log_q)

_NOISE = {
    "shapes": dequantisations.stays_in_the_bin,
    "log-q": dequantisations.has_its_log_q,
    "density": dequantisations.integrates_to_one,
    "probabilities": dequantisations.bounds_probabilities,
    "first-pass": common.makes_one_first_pass,
    "other-shapes": variants.for_other_shapes(*_ANY_NOISE),
    "other-options": variants.under_other_options(*_ANY_NOISE),
    **_PART,
    # Integers come in one layout and have no dtype to keep.
    **{name: check for name, check in _COMMON.items() if name not in ("layouts", "dtype-and-device")},
}

_INVERTIBLE: dict[tuple[Kind, bool], dict[str, TrialCheck]] = {
    ("transform", True): _on(Transform, {**_BIJECTION, **_TRANSFORM, **_EXACT}),
    ("transform", False): _on(Transform, {**_STOCHASTIC, **_TRANSFORM, **_DRAWN, **_DENSITY}),
    ("bijector", True): _on(Bijector, {**_BIJECTION, **_BIJECTOR, **_EXACT_BIJECTOR}),
    ("bijector", False): _on(Bijector, {**_STOCHASTIC, **_BIJECTOR, **_DRAWN}),
    ("model", True): _on(Model, {**_BIJECTION, **_MODEL, **_model(*_STEPS, invertible.has_exact_log_det)}),
    ("model", False): _on(Model, {**_STOCHASTIC, **_MODEL, **_model(*_STEPS)}),
}

_OTHERS: dict[Kind, dict[str, TrialCheck]] = {
    "split": _on(Split, _SPLIT),
    "dequantisation": _on(Noise, _NOISE),
    "network": _on(Net, {name: networks.in_all_variants(check) for name, check in _NETWORK.items()}),
    "dataset": {
        "description": datasets.describes_itself,
        "model": datasets.suits_a_model,
        "integers": datasets.holds_integers,
        "bins": values.uses_its_bins,
        "layout": values.has_its_layout,
        "mixed": values.comes_mixed,
        "order": datasets.takes_by_index,
        "repeatable": datasets.loads_the_same,
        "another-process": datasets.loads_the_same_elsewhere,
        "revision": revisions.has_a_revision_of_its_images,
        "disjoint-splits": datasets.keeps_splits_apart,
        "global-random-state": datasets.leaves_global_state_alone,
    },
    "metric": {
        "measures": metrics.measures_a_model,
        "figure": metrics.gives_a_figure_or_says_why_not,
        "unit": metrics.states_its_unit,
        "plain-data": metrics.is_plain_data,
        "repeatable": metrics.repeats_itself,
        "global-random-state": metrics.leaves_global_state_alone,
        "model-unchanged": metrics.leaves_the_model_alone,
        "bins": metrics.assumes_no_bins,
        "other-device": metrics.runs_elsewhere,
    },
    "suite": {
        "builds": suites.builds,
        "names-and-options": suites.asks_for_what_exists,
        "plan": suites.can_be_planned,
    },
    "command": {
        "import": commands.can_be_imported,
        "help": commands.explains_itself,
        "example": commands.gives_an_example,
    },
}


def _describe(error: BaseException) -> str:
    """Return type, message and place of an error, and the component that it was raised in."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    component = raised_in(error)
    place = f"in {component}, " if component else ""
    return f"{type(error).__name__}: {error} ({place}at {frame.filename}:{frame.lineno})"
