"""What a step reads back from the device: each value that is read waits for all work before it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import flowzoo
from flowzoo.data.load import load_dataset
from flowzoo.errors import DataError
from flowzoo.experiment.training_options import parse_training_options
from flowzoo.training.stage import plan_stages
from flowzoo.training.step import TrainingStep
from flowzoo.warm_start import WarmStart
from tests.training.conftest import TINY

IMAGES = load_dataset("digits")["train"].take(range(8))

SHAPES_FOLLOW_FROM_VALUES = {"nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive"}
READS = {"_local_scalar_dense", "equal", "is_nonzero", *SHAPES_FOLLOW_FROM_VALUES}
COPIES = {"cpu", "numpy", "tolist"}


class _Kernels(TorchDispatchMode):
    """Counts kernels that wait for a GPU, and copies between devices."""

    def __init__(self, found: Counter[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_dispatch__(self, kernel: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = kernel._schema.name.removeprefix("aten::")
        if name in READS:
            self._found[name] += 1
        if name in ("index", "index_put_") and any(
            each.dtype == torch.bool for each in args[1] if each is not None
        ):
            self._found["index by a mask"] += 1
        if name == "lift_fresh":
            self._found["copy of Python's numbers"] += 1
        return kernel(*args, **(kwargs or {}))


class _Calls(TorchFunctionMode):
    """Counts calls that copy to the host; where a tensor is there already, they run no kernel."""

    def __init__(self, found: Counter[str]) -> None:
        super().__init__()
        self._found = found

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(function, "__name__", "")
        if name in COPIES:
            self._found[name] += 1
        return function(*args, **(kwargs or {}))


def reads(model: str, options: dict[str, Any], **training: Any) -> Counter[str]:
    """Return what a step after the first one reads back."""
    flow = flowzoo.create_model(model, (1, 8, 8), seed=0, bins=256, **options)
    flow.initialise([IMAGES / 256])
    chosen = parse_training_options(training)
    stage = plan_stages(flow, chosen)[0]
    step = TrainingStep(flow, stage, chosen, torch.Generator().manual_seed(0), WarmStart(flow))
    step.take(IMAGES, 1e-3)
    found: Counter[str] = Counter()
    with _Calls(found), _Kernels(found):
        step.take(IMAGES, 1e-3)
    return found


NETWORK = {"hidden": 4}
ONE_BLOCK = {**TINY, "bijector": {**TINY["bijector"], "objective": "flow-matching"}}
FIXED_STEPS = {
    **TINY,
    "bijector": {**TINY["bijector"], "objective": "likelihood", "solver": "rk4", "steps": 2},
}
TWO_BLOCKS = {**TINY, "bijector": {**ONE_BLOCK["bijector"], "blocks": 2}}
THREE_BLOCKS = {**TINY, "bijector": {**ONE_BLOCK["bijector"], "blocks": 3}}


@pytest.mark.parametrize(
    ("model", "options", "training"),
    [
        ("glow", {"levels": 1, "last": {"network": NETWORK}}, {}),
        ("glow", {"levels": 1, "last": {"network": NETWORK}}, {"accumulate": 2, "batch_size": 4}),
        ("realnvp", {}, {}),
        ("wavelet-flow", {"levels": 2}, {}),
        ("wavelet-flow", {"levels": 2}, {"order": "separately"}),
        ("tarflow", {}, {}),
        ("mrcnf", ONE_BLOCK, {}),
        ("mrcnf", TWO_BLOCKS, {}),
        ("mrcnf", FIXED_STEPS, {}),
    ],
)
def test_a_step_reads_back_its_loss_and_gradient_norm_together_and_nothing_else(
    model: str, options: dict[str, Any], training: dict[str, Any]
) -> None:
    assert reads(model, options, **training) == {"tolist": 1}


def test_blocks_that_do_not_divide_a_batch_evenly_read_how_many_images_each_has_once_a_level() -> None:
    assert len(IMAGES) % THREE_BLOCKS["bijector"]["blocks"]
    assert reads("mrcnf", THREE_BLOCKS) == {"tolist": 1 + THREE_BLOCKS["levels"]}


def test_reads_are_found_wherever_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    batch_loss = flowzoo.Flow.batch_loss

    def curious(self: flowzoo.Flow, *args: Any, **named: Any) -> Tensor:
        loss = batch_loss(self, *args, **named)
        values = loss.detach().reshape(1)
        assert float(values) == values.cpu()[values == values].item()
        assert torch.tensor([1.0]) > 0
        return loss

    monkeypatch.setattr("flowzoo.flow.Flow.batch_loss", curious)
    found = reads("realnvp", {})
    assert {"_local_scalar_dense", "cpu", "index by a mask", "copy of Python's numbers"} < set(found)


def test_integers_are_checked_where_they_lie_before_they_move() -> None:
    flow = flowzoo.create_model("realnvp", (1, 8, 8), seed=0, bins=17).to("meta")
    with pytest.raises(DataError, match=r"0\.\.16"):
        flow.dequantise(IMAGES + 17)
