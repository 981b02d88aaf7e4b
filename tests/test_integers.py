from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from flowzoo.call import per_image_generators
from flowzoo.data.batches import ShuffledBatches, sequential_batches
from flowzoo.data.dataset import ImageSource
from flowzoo.errors import FlowzooError, OptionError, ShapeError
from flowzoo.experiment.budget import Budget
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.integers import as_integer, plain_number, positive_integer
from flowzoo.registry.models import create_model
from flowzoo.registry.saving import load_model, save_model
from flowzoo.scaling import downscale

INTEGERS = [int, np.int64, np.int32, np.uint8, np.int16, torch.tensor, np.array]
NO_INTEGERS = [True, np.True_, torch.tensor(True), 2.0, np.float64(2.0), torch.tensor(2.0), "2", None, [2]]


@pytest.mark.parametrize("kind", INTEGERS)
def test_integers_of_any_library_become_pythons_own(kind: Callable[[int], Any]) -> None:
    for found in (as_integer(kind(3)), positive_integer("n", kind(3)), plain_number(kind(3))):
        assert type(found) is int
        assert found == 3


@pytest.mark.parametrize("value", NO_INTEGERS, ids=repr)
def test_what_only_looks_like_an_integer_is_none(value: Any) -> None:
    assert as_integer(value) is None
    with pytest.raises(OptionError, match="n is "):
        positive_integer("n", value)


def test_plain_numbers() -> None:
    assert [plain_number(each) for each in (np.float32(0.5), np.True_, "a", None)] == [0.5, True, "a", None]
    assert type(plain_number(np.float32(0.5))) is float
    assert type(plain_number(np.True_)) is bool


@pytest.mark.parametrize("number", [np.int64, np.uint8])
def test_models_are_made_drawn_from_and_saved_with_them(number: Callable[[int], Any], tmp_path: Path) -> None:
    expected = create_model("wavelet-flow", (1, 4, 4), bins=4, seed=3, levels=2, bijector={"steps": 1})
    shapes = (
        [number(1), number(4), number(4)],
        (number(1), 4, 4),
        torch.Size([1, 4, 4]),
        np.array([1, 4, 4], dtype=np.uint8),
    )
    for shape in shapes:
        found = create_model(
            "wavelet-flow",
            shape,
            bins=number(4),
            seed=number(3),
            levels=number(2),
            bijector={"steps": number(1)},
        )
        assert found.recipe == expected.recipe
        assert all(map(torch.equal, found.parameters(), expected.parameters()))
    images = torch.rand(8, 1, 4, 4)
    found.initialise([images])
    assert found.sample(number(2), seed=number(1)).shape == (2, 1, 4, 4)
    assert torch.equal(found.sample(2, np.array([0.5, 1.0]), seed=1), found.sample(2, [0.5, 1.0], seed=1))
    assert torch.equal(found.sample(2, np.float32(0.5), seed=1), found.sample(2, 0.5, seed=1))
    assert torch.equal(found.level_input(number(1), images), found.level_input(1, images))
    assert torch.equal(downscale(found, images, number(1)), downscale(found, images, 1))
    save_model(found, tmp_path / "model")
    assert load_model(tmp_path / "model").recipe == found.recipe


@pytest.mark.parametrize(
    "shape", [(1, 4, 4.0), (True, 4, 4), (1, 4), np.ones((1, 4, 4)), 5, "144", (1, 4, np.float32(4))]
)
def test_other_shapes_are_refused(shape: Any) -> None:
    with pytest.raises(ShapeError, match="three positive integers"):
        create_model("glow", shape)


@pytest.mark.parametrize("value", [True, 2.5, np.float64(2.0), "2"])
def test_other_numbers_are_refused(value: Any, as_users_run_it: None) -> None:
    flow = create_model("wavelet-flow", (1, 4, 4), levels=2)
    calls = (
        lambda: flow.sample(value),
        lambda: flow.sample(1, seed=value),
        lambda: create_model("glow", (1, 4, 4), bins=value),
        lambda: create_model("glow", (1, 4, 4), levels=value),
        lambda: downscale(flow, torch.rand(1, 1, 4, 4), value),
        lambda: Budget(steps=value),
        lambda: parse_training_options({"batch_size": value}),
        lambda: next(sequential_batches(Five(), value)),
    )
    for call in calls:
        with pytest.raises(FlowzooError):
            call()


class Five(ImageSource):
    def __len__(self) -> int:
        return 5

    def take(self, indices: Sequence[int]) -> torch.Tensor:
        return torch.arange(5, dtype=torch.uint8)[list(indices)].reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)


def test_seeds_batches_and_budgets_take_them() -> None:
    for found, expected in zip(
        sequential_batches(Five(), np.int64(2), np.int64(3)), sequential_batches(Five(), 2, 3), strict=True
    ):
        assert found[0] == expected[0]
    batches = ShuffledBatches(Five(), np.int64(2), 0)
    assert next(batches).shape == (2, 1, 4, 4)
    assert type(Budget(steps=np.int64(3)).steps) is int
    assert type(parse_training_options({"batch_size": np.int32(8)}).batch_size) is int
    ours, theirs = per_image_generators(7, range(3)), per_image_generators(np.int64(7), np.arange(3))
    assert [each.initial_seed() for each in ours] == [each.initial_seed() for each in theirs]
