"""Which checks a kind must pass, and how they are run."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flowzoo.component import Kind
from flowzoo.errors import UnknownNameError, did_you_mean
from flowzoo.testing import (
    bands,
    bijectors,
    common,
    copying,
    datasets,
    devices,
    differences,
    far,
    handling,
    invertible,
    metrics,
    models,
    networks,
    splits,
    transforms,
    variants,
)
from flowzoo.testing.bijectors import Bijector
from flowzoo.testing.context import uses_its_context
from flowzoo.testing.draws import scrambled
from flowzoo.testing.invertible import Invertible
from flowzoo.testing.models import Model
from flowzoo.testing.networks import Net
from flowzoo.testing.result import CheckFailed, CheckResult, NeedsFiles
from flowzoo.testing.splits import Split
from flowzoo.testing.subject import Subject
from flowzoo.testing.transforms import Transform
from flowzoo.testing.trial import Trial, trial_of

TrialCheck = Callable[[Trial], None]

S = TypeVar("S", bound=Subject)
V = TypeVar("V", bound=Invertible)


def check_component(kind: Kind, name: str, **options: Any) -> list[CheckResult]:
    """Run every check of a kind on a registered component.

    Args:
        kind: The component's kind.
        name: Its registered name.
        options: Besides those that it declares for its trial; a data set's ``root``, for one.

    Raises:
        UnknownNameError: There is no such component.
    """
    trial = trial_of(kind, name, **options)
    return [run_check(trial, check) for check in checks_for(kind, trial.component.exact)]


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
        trial: Of the component; see :func:`~flowzoo.testing.trial.trial_of`.
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
    try:
        with scrambled(0):
            known[check](trial)
    except CheckFailed as failure:
        return CheckResult(check, False, str(failure))
    except NeedsFiles as missing:
        return CheckResult(check, False, str(missing), needs_files=True)
    except Exception as error:  # whatever a component raises is a finding about it
        return CheckResult(check, False, _describe(error))
    return CheckResult(check, True)


def _checks(kind: Kind, exact: bool) -> Mapping[str, TrialCheck]:
    return _INVERTIBLE[kind, exact] if (kind, exact) in _INVERTIBLE else _OTHERS.get(kind, _PLAIN)


def _on(kind: type[S], checks: Mapping[str, Callable[[type[S], Trial], None]]) -> dict[str, TrialCheck]:
    return {name: functools.partial(check, kind) for name, check in checks.items()}


def _builds(trial: Trial) -> None:
    trial.build()


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
    "context": uses_its_context,
    "shares": bijectors.shares_its_log_det,
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


def _everywhere(log_det: Callable[[type[V], Trial], None]) -> dict[str, Callable[[type[V], Trial], None]]:
    """Return checks of values, shapes and options that a component's own trial does not try."""
    light = (invertible.has_shapes, invertible.inverts, log_det, differences.has_right_gradients)
    return {
        "far-values": far.holds_far_out,
        "other-shapes": variants.for_other_shapes(*light),
        "other-options": variants.under_other_options(*light),
        **_PART,
    }


_EXACT = _everywhere(invertible.has_exact_log_det)
_DRAWN = _everywhere(invertible.draws_its_log_det)

_MODEL = {
    "terms": models.has_terms_that_add_up,
    "level-losses": models.has_level_losses,
    "samples": models.samples,
    "save-and-load": models.saves_and_loads,
    "bits-per-dim": models.gives_bits_per_dim,
    "refusals": models.refuses_bad_images,
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
    "push": networks.pushes_tangents,
    "reach": networks.stays_within_its_reach,
    "prepared": networks.prepares_anew,
    "values": networks.reads_no_values,
    "other-shapes": variants.for_other_shapes(*_ANY_NETWORK),
    "other-options": variants.under_other_options(*_ANY_NETWORK),
    **_PART,
    **_COMMON,
}

_INVERTIBLE: dict[tuple[Kind, bool], dict[str, TrialCheck]] = {
    ("transform", True): _on(Transform, {**_BIJECTION, **_TRANSFORM, **_EXACT}),
    ("transform", False): _on(Transform, {**_STOCHASTIC, **_TRANSFORM, **_DRAWN, **_DENSITY}),
    ("bijector", True): _on(Bijector, {**_BIJECTION, **_BIJECTOR, **_EXACT}),
    ("bijector", False): _on(Bijector, {**_STOCHASTIC, **_BIJECTOR, **_DRAWN}),
    ("model", True): _on(Model, {**_BIJECTION, **_MODEL}),
    ("model", False): _on(Model, {**_STOCHASTIC, **_MODEL}),
}

_OTHERS: dict[Kind, dict[str, TrialCheck]] = {
    "split": _on(Split, _SPLIT),
    "network": _on(Net, {name: networks.in_all_variants(check) for name, check in _NETWORK.items()}),
    "dataset": {
        "description": datasets.describes_itself,
        "integers": datasets.holds_integers,
        "order": datasets.takes_by_index,
        "repeatable": datasets.loads_the_same,
        "disjoint-splits": datasets.keeps_splits_apart,
    },
    "metric": {
        "measures": metrics.measures_a_model,
        "figure": metrics.gives_a_figure_or_says_why_not,
        "unit": metrics.states_its_unit,
        "plain-data": metrics.is_plain_data,
        "repeatable": metrics.repeats_itself,
        "global-random-state": metrics.leaves_global_state_alone,
    },
}

_PLAIN: dict[str, TrialCheck] = {"builds": _builds}


def _describe(error: Exception) -> str:
    """Return type, message and place of an error."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (at {frame.filename}:{frame.lineno})"
