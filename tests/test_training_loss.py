"""``training_loss`` is what training minimises."""

from __future__ import annotations

import pytest
import torch

import flowzoo
from flowzoo.bijector import Phase
from flowzoo.call import Call
from flowzoo.errors import DataError
from flowzoo.flow import Flow
from flowzoo.phases import phase_at
from flowzoo.solving import Solving
from flowzoo.training.stage import Stage

SOLVES = {
    "blocks": 1,
    "network": {"name": "conv-field", "hidden": 4, "layers": 2},
    "solver": "rk4",
    "steps": 2,
}


def tiny(objective: str = "likelihood", **options: float) -> Flow:
    bijector = {**SOLVES, "objective": objective, **options}
    flow = flowzoo.create_model(
        "mrcnf", (1, 8, 8), levels=2, bins=17, seed=0, bijector=bijector, precondition=None
    )
    flow.initialise([images() / 17])
    for parameter in flow.parameters():
        torch.nn.init.normal_(parameter, std=0.2, generator=generator())
    return flow


def images() -> torch.Tensor:
    return torch.randint(17, (16, 1, 8, 8), generator=torch.Generator().manual_seed(0))


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_it_is_what_a_stage_of_training_minimises_penalties_included() -> None:
    flow = tiny(kinetic=0.1, jacobian=0.1)
    call = Call(mode="train", generator=generator())
    expected = Stage((0, 1), whole=True).loss(flow, images(), call)
    found = flow.training_loss(images(), generator=generator())
    assert found.shape == ()
    assert torch.equal(found, expected)
    assert float(found.detach()) > float(tiny().training_loss(images(), generator=generator()).detach())


def test_a_likelihood_s_loss_is_its_bits_per_dim() -> None:
    flow = flowzoo.create_model("glow", (1, 8, 8), levels=2, bins=17, seed=0)
    flow.initialise([images() / 17])
    expected = flow.bits_per_dim(images(), Call(generator=generator())).mean() - torch.tensor(17.0).log2()
    torch.testing.assert_close(flow.training_loss(images(), generator=generator()), expected.float())


def test_the_phase_follows_from_the_progress() -> None:
    flow = tiny("flow-matching+likelihood", likelihood_share=0.25)

    def in_phase(name: str) -> torch.Tensor:
        call = Call(mode="train", generator=generator(), solver=Solving(phase=name))
        return flow.batch_loss(images(), call)

    matching, likelihood = in_phase("flow-matching"), in_phase("likelihood")
    assert not torch.equal(matching, likelihood)
    for progress, expected in ((0.0, matching), (0.7, matching), (0.76, likelihood), (1.0, likelihood)):
        assert torch.equal(flow.training_loss(images(), progress=progress, generator=generator()), expected)


def test_noise_is_new_each_time_and_the_global_random_state_is_left_alone() -> None:
    flow, before = tiny(), torch.get_rng_state()
    first, second = flow.training_loss(images()), flow.training_loss(images())
    assert not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_few_steps_of_a_loop_of_ones_own_lower_it() -> None:
    flow = tiny()
    optimiser = torch.optim.Adam(flow.parameters(), lr=0.01)
    losses = []
    for _ in range(20):
        loss = flow.training_loss(images(), generator=generator())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 0.05


@pytest.mark.usefixtures("as_users_run_it")
def test_values_that_are_no_integers_are_refused() -> None:
    with pytest.raises(DataError):
        tiny().training_loss(images() / 17)


@pytest.mark.usefixtures("as_users_run_it")
def test_arrays_and_empty_batches_are_refused() -> None:
    flow, array = tiny(), images().numpy()
    for refused in (
        lambda: flow.training_loss(array),
        lambda: flow.training_loss(images()[:0]),
        lambda: flow.log_prob(array / 17),
        lambda: flowzoo.dequantise(array, 17),
    ):
        with pytest.raises(DataError):
            refused()


def test_phases_end_where_their_shares_do() -> None:
    phases = [Phase("a", 0.5), Phase("b", 0.5)]
    assert [phase_at(phases, done).name for done in (0.0, 0.49, 0.5, 1.0)] == ["a", "a", "b", "b"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_noise_that_rounds_to_one_is_taken(dtype: torch.dtype) -> None:
    flow = flowzoo.create_model("gaussian", (1, 8, 8), bins=256)
    x = torch.rand(64, 1, 8, 8, generator=generator()).to(dtype).clamp(max=0.9)
    flow.initialise([x.float()])
    one = (torch.full((1,), 255.0) + 1.0 - 2.0**-20) / 256.0
    assert float(one) == 1.0
    x[1, 0, 3, 3] = one.to(dtype)
    largest = x.clone()
    largest[1, 0, 3, 3] = 1.0 - torch.finfo(dtype).eps / 2
    assert torch.equal(flow.log_prob(x), flow.log_prob(largest))
    assert bool(flow.log_prob(x).isfinite().all())
    x[1, 0, 3, 3] = 1.01
    with pytest.raises(DataError):
        flow.log_prob(x)
