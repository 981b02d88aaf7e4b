from __future__ import annotations

from typing import Any

import pytest

from flowzoo.errors import OptionError
from flowzoo.seeds import check_seed


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_a_seed_in_range_is_given_back(seed: int) -> None:
    assert check_seed(seed) == seed


@pytest.mark.parametrize("seed", [-1, 2**63, True, 1.0, None, "7"])
def test_anything_else_is_refused_in_one_line(seed: Any) -> None:
    with pytest.raises(OptionError, match=r"^the seed is .*; give an int from 0 to 2\*\*63 - 1$"):
        check_seed(seed)
