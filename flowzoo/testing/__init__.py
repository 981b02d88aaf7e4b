"""The conformance kit: it runs every check that a kind of component must pass.

In a plugin's tests, this runs every check on every component of the plugin::

    import pytest
    from flowzoo.testing import Case, cases_of

    @pytest.mark.parametrize("case", cases_of("flowzoo-mine"), ids=str)
    def test_conforms(case: Case) -> None:
        case.check()

The shapes, options and tolerances of a trial are declared by the component's
:class:`~flowzoo.component.Check`.
"""

from flowzoo.perturbation import randomise
from flowzoo.testing.brute_force import brute_force_log_prob
from flowzoo.testing.cases import Case, cases_of
from flowzoo.testing.kit import check_component, checks_for, run_check
from flowzoo.testing.log_likelihoods import check_log_likelihoods
from flowzoo.testing.mixing import Mixture, mixtures_of
from flowzoo.testing.result import CheckResult, Finding, findings
from flowzoo.testing.trial import Trial, trial_of, trials_of

__all__ = [
    "Case",
    "CheckResult",
    "Finding",
    "Mixture",
    "Trial",
    "brute_force_log_prob",
    "cases_of",
    "check_component",
    "check_log_likelihoods",
    "checks_for",
    "findings",
    "mixtures_of",
    "randomise",
    "run_check",
    "trial_of",
    "trials_of",
]
