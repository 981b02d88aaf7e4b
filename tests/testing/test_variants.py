"""Which options and shapes a component is tried under besides its own."""

from __future__ import annotations

import pytest

from flowzoo.component import Check
from flowzoo.testing import Trial, run_check, trial_of
from tests.testing.broken import EXAMPLES


def broken_under_option(check: Check) -> Trial:
    _, break_it = EXAMPLES["bijector"].breaks["log_det is wrong under another option"]
    changes = {"shape": check.shape, "context_shape": check.context_shape, "fixed": check.fixed}
    return EXAMPLES["bijector"].trial(break_it).with_check(**changes)


def test_a_fixed_option_is_left_alone() -> None:
    own = EXAMPLES["bijector"].check
    fixed = Check(shape=own.shape, context_shape=own.context_shape, fixed=("flavour",))

    assert not run_check(broken_under_option(own), "other-options").passed
    assert run_check(broken_under_option(fixed), "other-options").passed


def test_the_option_is_named() -> None:
    detail = run_check(broken_under_option(EXAMPLES["bijector"].check), "other-options").detail

    assert detail.startswith("with the option flavour='other': log_det")


@pytest.mark.parametrize("name", ["axis", "haar"])
def test_shapes_that_are_refused_are_passed_over(name: str) -> None:
    trial = trial_of("transform", name).with_check(shape=(1, 2, 2))

    assert run_check(trial, "other-shapes").passed
    assert run_check(trial, "other-options").passed


def test_another_seed_is_another_trial() -> None:
    trial = trial_of("bijector", "glow")
    other = Trial(trial.component, trial.make, seed=1, name=trial.name)

    assert trial.mixed(3) == 3
    first, second = (next(each.build().parameters()) for each in (trial, other))
    assert first.shape == second.shape
    assert run_check(other, "log-det").passed
