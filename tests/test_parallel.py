"""Models in several processes: gradients of DistributedDataParallel, and models sent to another process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

from flowzoo.call import Call
from flowzoo.errors import SavedModelError
from flowzoo.flow import Flow
from flowzoo.registry.saving import save_model
from flowzoo.solving import Solving
from flowzoo.testing import trial_of
from flowzoo.testing.models import Model

PROCESSES = 2
NAMES = ["glow", "ffjord"]
EXACT = Call(solver=Solving(exact=True))


def ready(name: str) -> tuple[Flow, Tensor]:
    trial = trial_of("model", name)
    generator = torch.Generator().manual_seed(0)
    return Model.ready(trial).module, torch.rand(
        4, *trial.check.shape, dtype=torch.float64, generator=generator
    )


def gradients(model: torch.nn.Module, x: Tensor) -> list[Tensor]:
    model.zero_grad()
    (-model(x, EXACT)).mean().backward()
    return [each.grad.clone() for each in model.parameters() if each.grad is not None]


def train_a_share(rank: int, folder: str) -> None:
    """Compute a share's gradients in one of the processes; write what it has after they were exchanged."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=PROCESSES)
    for name in NAMES:
        flow, x = ready(name)
        found = gradients(DistributedDataParallel(flow), x.chunk(PROCESSES)[rank])
        torch.save(found, f"{folder}/{name}-{rank}.pt")
    distributed.destroy_process_group()
    # DistributedDataParallel keeps threads of gloo; those may abort a Python that ends while they run.
    os._exit(0)


def compute(models: dict[str, tuple[Flow, Tensor]], folder: str) -> None:
    """Compute with models that came from another process."""
    for name, (flow, x) in models.items():
        torch.save(flow.log_prob(x, EXACT).detach(), f"{folder}/{name}.pt")


def test_two_processes_get_the_gradients_of_one(tmp_path: Path) -> None:
    multiprocessing.spawn(train_a_share, (str(tmp_path),), PROCESSES)

    for name in NAMES:
        expected = gradients(*ready(name))
        for rank in range(PROCESSES):
            found = torch.load(tmp_path / f"{name}-{rank}.pt")
            assert len(found) == len(expected) > 0
            for ours, theirs in zip(found, expected, strict=True):
                torch.testing.assert_close(ours, theirs)


def test_a_model_is_sent_to_a_process_that_starts_anew(tmp_path: Path) -> None:
    models = {name: ready(name) for name in NAMES}
    for flow, _ in models.values():
        flow.share_memory()
    process = multiprocessing.get_context("spawn").Process(target=compute, args=(models, str(tmp_path)))

    process.start()
    process.join()

    for name, (flow, x) in models.items():
        torch.testing.assert_close(torch.load(tmp_path / f"{name}.pt"), flow.log_prob(x, EXACT).detach())


def test_a_wrapper_that_forwards_nothing_cannot_be_saved(tmp_path: Path) -> None:
    store = distributed.FileStore(str(tmp_path / "meeting"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        model = DistributedDataParallel(ready("glow")[0])
        with pytest.raises(SavedModelError, match="DistributedDataParallel"):
            save_model(model, tmp_path / "model")
        save_model(model.module, tmp_path / "model")
    finally:
        distributed.destroy_process_group()
