import pytest
import torch

from flowzoo.errors import ShapeError
from flowzoo.registry.build import build_component


def numbered(*shape: int) -> torch.Tensor:
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)


@pytest.mark.parametrize(
    ("name", "options", "kept_channels"),
    [("keep-first-channels", {}, 3), ("keep-first-channels", {"divisor": 3}, 4), ("halves", {}, 6)],
)
def test_keeps_the_first_channels(name: str, options: dict[str, int], kept_channels: int) -> None:
    y = numbered(2, 12, 2, 2)

    kept, factored = build_component("split", name, (12, 2, 2), **options).split(y)

    assert torch.equal(kept, y[:, :kept_channels])
    assert torch.equal(factored, y[:, kept_channels:])


@pytest.mark.parametrize(("name", "divisor"), [("keep-first-channels", 4), ("halves", 2)])
def test_channels_that_do_not_divide_are_refused(name: str, divisor: int) -> None:
    split = build_component("split", name, (4, 2, 2))

    for call in (lambda: split.shapes((5, 2, 2)), lambda: split.split(numbered(1, 5, 2, 2))):
        with pytest.raises(ShapeError, match=rf"cannot keep 1/{divisor} of 5 channels"):
            call()


def test_keep_nothing_factors_everything_out() -> None:
    y = numbered(2, 3, 2, 2)
    split = build_component("split", "keep-nothing", (3, 2, 2))

    kept, factored = split.split(y)

    assert kept is None
    assert factored is y
    assert split.merge(None, factored) is y
