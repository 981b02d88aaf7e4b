"""The recipe that all families share: its levels' shapes, and whose turn it is."""

from __future__ import annotations

import pytest

from flowzoo.cascade import CascadeOptions, cascade_model
from flowzoo.component import Spec
from flowzoo.registry.build import ZooBuilder
from flowzoo.registry.loader import default_registry
from flowzoo.shapes import Shape

SHAPE = (4, 8, 8)


def transforms_and_kept(transform: Spec | list[Spec], levels: int) -> list[tuple[str, Shape | None]]:
    built = cascade_model(
        SHAPE,
        ZooBuilder(default_registry()),
        options=CascadeOptions(levels=levels, transform=transform, split=Spec("halves")),
    )
    rows: list[tuple[str, Shape | None]] = []
    shape: Shape | None = SHAPE
    for level in built:
        assert shape is not None
        shape, _ = level.shapes(shape)
        rows.append((type(level.transform).__name__, shape))
    return rows


def test_one_transform_serves_all_levels_but_the_coarsest() -> None:
    assert transforms_and_kept(Spec("squeeze"), 3) == [
        ("Squeeze", (8, 4, 4)),
        ("Squeeze", (16, 2, 2)),
        ("IdentityTransform", None),
    ]


def test_several_transforms_take_turns_from_the_finest_level_on() -> None:
    assert transforms_and_kept([Spec("squeeze"), Spec("identity"), Spec("haar")], 5) == [
        ("Squeeze", (8, 4, 4)),
        ("IdentityTransform", (4, 4, 4)),
        ("BlockMean", (8, 2, 2)),
        ("Squeeze", (16, 1, 1)),
        ("IdentityTransform", None),
    ]


def test_no_transform_at_all_is_a_mistake_of_the_plugin() -> None:
    with pytest.raises(AssertionError, match="have the identity"):
        transforms_and_kept([], 2)
