"""All tests that flowzoo has for the components of this plugin."""

from pathlib import Path

import pytest

from flowzoo.testing import Case, Mixture, cases_of, check_log_likelihoods, mixtures_of

PLUGIN = "flowzoo-freia"


@pytest.mark.parametrize("case", cases_of(PLUGIN), ids=str)
def test_conforms(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("mixture", mixtures_of(PLUGIN), ids=str)
def test_works_with_all_other_parts(mixture: Mixture) -> None:
    mixture.check()


def test_computes_the_same_as_before_unless_the_revision_is_raised() -> None:
    check_log_likelihoods(PLUGIN, Path(__file__).with_name("log_likelihoods.json"))
