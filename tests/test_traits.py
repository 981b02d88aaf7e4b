"""What bijectors and transforms declare of themselves."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from flowzoo.exactness import Exactness, worst
from flowzoo.traits import BijectorTraits, TransformTraits, merged

PAGE = Path(__file__).parent.parent / "docs" / "plugin-reference.md"

EXACT, UNBIASED, BOUND, NONE = Exactness
ON_REQUEST = BijectorTraits(exactness=UNBIASED, exact_on_request=True)


def test_the_members_are_ordered_by_what_they_are_worth() -> None:
    assert sorted([NONE, UNBIASED, EXACT, BOUND]) == [EXACT, UNBIASED, BOUND, NONE]
    assert EXACT <= EXACT < BOUND
    assert NONE >= NONE > UNBIASED
    assert worst([]) is EXACT
    assert worst([BOUND, EXACT, UNBIASED]) is BOUND


@pytest.mark.parametrize(
    ("parts", "plain", "on_request"),
    [
        ([BijectorTraits()], EXACT, EXACT),
        ([BijectorTraits(), ON_REQUEST], UNBIASED, EXACT),
        ([ON_REQUEST, BijectorTraits(exactness=NONE)], NONE, NONE),
        ([BijectorTraits(exactness=BOUND)], BOUND, BOUND),
    ],
)
def test_a_container_is_as_exact_as_its_worst_part(
    parts: list[BijectorTraits], plain: Exactness, on_request: Exactness
) -> None:
    assert merged(parts).exactness_if(exact=False) is plain
    assert merged(parts).exactness_if(exact=True) is on_request


def test_the_last_part_decides_the_loss() -> None:
    other = BijectorTraits(loss_is_likelihood=False)
    assert not merged([BijectorTraits(), other]).loss_is_likelihood
    assert merged([other, BijectorTraits()]).loss_is_likelihood


@pytest.mark.parametrize(("kind", "record"), [("bijector", BijectorTraits), ("transform", TransformTraits)])
def test_the_page_for_plugin_authors_lists_all_traits(kind: str, record: type) -> None:
    rows = re.findall(rf"^\| {kind} \| `traits\.(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == sorted(each.name for each in fields(record))
