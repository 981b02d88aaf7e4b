"""The conformance kit on every component of this plugin."""

import pytest

from flowzoo.testing import Case, cases_of


@pytest.mark.parametrize("case", cases_of("flowzoo-mine"), ids=str)
def test_conforms(case: Case) -> None:
    case.check()
