"""The conformance kit: name a component, and every check that its kind must pass is run on it.

In a plugin's tests::

    import pytest
    from flowzoo.testing import checks_for, run_check, trial_of

    @pytest.mark.parametrize("check", checks_for("bijector"))
    def test_mine(check: str) -> None:
        result = run_check(trial_of("bijector", "mine"), check)
        assert result.passed, result.detail

What is tried, and how exact it has to be, is declared by the component's
:class:`~flowzoo.component.Check`.
"""

from flowzoo.perturbation import randomise
from flowzoo.testing.brute_force import brute_force_log_prob
from flowzoo.testing.kit import check_component, checks_for, run_check
from flowzoo.testing.result import CheckResult, Finding, findings
from flowzoo.testing.trial import Trial, trial_of, trials_of

__all__ = [
    "CheckResult",
    "Finding",
    "Trial",
    "brute_force_log_prob",
    "check_component",
    "checks_for",
    "findings",
    "randomise",
    "run_check",
    "trial_of",
    "trials_of",
]
