"""MSFlow-Image: its likelihood by brute force, the paper's parameter counts, and other parts for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import flowzoo
from flowzoo.api import Call, Flow, OptionError, ShapeError, standard_normal_log_prob
from flowzoo.testing import checks_for, randomise, run_check, trial_of
from flowzoo.testing.brute_force import brute_force_log_det

TINY = {
    "blocks": 1,
    "network": {"name": "conv-field", "hidden": 4},
    "evaluation_solver": "rk4",
    "evaluation_steps": 8,
    "evaluation_trace": "exact",
}


def tiny(levels: int = 3, **options: Any) -> tuple[Flow, torch.Tensor]:
    flow = flowzoo.create_model(
        "msflow-image",
        (1, 4, 4),
        levels=levels,
        pixels={"name": "logit", "alpha": 0.05},
        seed=0,
        **{"bijector": TINY, "precondition": None, **options},
    ).double()
    x = torch.rand(64, 1, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    flow.initialise([x])
    randomise(flow, seed=0)
    return flow, x[:3]


def test_log_prob_is_the_joint_density_over_that_of_the_drawn_images() -> None:
    flow, x = tiny()
    call = Call(generator=torch.Generator().manual_seed(1))

    found = flow.log_prob(x, call).detach()

    call = Call(generator=torch.Generator().manual_seed(1))
    fine, pixels = flow.pixels(x)
    pyramid, log_q = [fine], torch.zeros(3, dtype=torch.float64)
    for place in (0, 1):
        mean = torch.nn.functional.avg_pool2d(pyramid[-1], 2)
        width = flow.level(place).transform.proposal.log_width.exp()
        pyramid.append(mean + width * call.normal(mean))
        log_q += torch.distributions.Normal(mean, width).log_prob(pyramid[-1]).flatten(1).sum(1)
    values = torch.cat([image.flatten(1) for image in pyramid], dim=1)[:, None, None].requires_grad_()
    sizes = [image[0].numel() for image in pyramid]
    parts = [
        part.reshape(image.shape) for part, image in zip(values.split(sizes, dim=-1), pyramid, strict=True)
    ]
    latents = [
        flow.level(place).conditional(part, given)[0].flatten(1)
        for place, (part, given) in enumerate(zip(parts, [*parts[1:], None], strict=True))
    ]
    z = torch.cat(latents, dim=1)[:, None, None]
    joint = standard_normal_log_prob(z) + brute_force_log_det(z, values)
    torch.testing.assert_close(found, (pixels + joint - log_q).detach(), atol=1e-6, rtol=0)


def test_decode_gives_the_image_back_whatever_was_drawn() -> None:
    flow, x = tiny()
    first, second = (flow.encode(x, Call(generator=torch.Generator().manual_seed(seed))) for seed in (0, 1))

    assert [tuple(z.shape[1:]) for z in first] == [(1, 4, 4), (1, 2, 2), (1, 1, 1)]
    assert not torch.allclose(first[0], second[0])
    torch.testing.assert_close(flow.decode(first), x, atol=1e-7, rtol=0)
    torch.testing.assert_close(flow.decode(second), x, atol=1e-7, rtol=0)


def test_one_level_draws_nothing() -> None:
    flow, x = tiny(levels=1)

    assert not flow.stochastic
    first, second = (flow.log_prob(x, Call(generator=torch.Generator().manual_seed(seed))) for seed in (0, 1))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("levels", "blocks", "layers", "millions"),
    [
        (2, 3, 4, 0.48),  # CIFAR-10
        (3, 2, 4, 0.48),
        (4, 2, 4, 0.64),
        (5, 2, 4, 0.81),
        (6, 2, 4, 0.97),
        (2, 1, 4, 0.16),  # ImageNet
        (3, 1, 3, 0.13),
        (4, 1, 3, 0.17),
        (5, 1, 3, 0.22),
    ],
)
def test_parameter_counts_are_those_of_the_papers_table(
    levels: int, blocks: int, layers: int, millions: float
) -> None:
    model = flowzoo.create_model(
        "msflow-image",
        (3, 32, 32),
        levels=levels,
        bijector={"blocks": blocks, "network": {"name": "conv-field", "layers": layers}},
        precondition=None,
    )
    count = sum(parameter.numel() for parameter in model.parameters())
    assert round(count / 1e6, 2) == millions


def test_levels_are_separable_unless_a_width_is_learned() -> None:
    assert tiny()[0].separable
    likelihood = {**TINY, "objective": "likelihood"}
    assert not tiny(transform={"learned": True}, bijector=likelihood)[0].separable


def test_a_learned_width_needs_the_likelihood() -> None:
    with pytest.raises(OptionError, match="objective=likelihood"):
        tiny(transform={"learned": True}, bijector={**TINY, "objective": "flow-matching"})


def test_a_learned_width_gets_a_gradient_from_every_coarser_level() -> None:
    flow, x = tiny(transform={"learned": True}, bijector={**TINY, "objective": "likelihood"})
    widths = [flow.level(place).transform.proposal.log_width for place in (0, 1)]
    for place, loss in enumerate(flow.loss(x, Call(mode="train"))):
        found = torch.autograd.grad(loss.sum(), widths, retain_graph=True, allow_unused=True)
        reached = [gradient is not None and bool(gradient != 0) for gradient in found]
        assert reached == [True, place > 0]


def test_sizes_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(ShapeError, match="fewer levels"):
        flowzoo.create_model("msflow-image", (1, 4, 4), levels=4)


@pytest.mark.parametrize(
    "options",
    [
        {"transform": {"proposal": "uniform"}},
        {
            "transform": {"learned": True},
            "bijector": {"objective": "likelihood", "trace": "exact"},
            "precondition": None,
        },
        {"split": {"name": "keep-first-channels", "divisor": 5}},
    ],
    ids=["uniform", "learned", "squeezed"],
)
@pytest.mark.parametrize("check", checks_for("model", exact=False))
def test_other_parts_conform_too(options: dict[str, Any], check: str) -> None:
    trial = trial_of("model", "msflow-image")
    given = dict(trial.check.options)
    bijector = {**given["bijector"], **options.get("bijector", {})}
    result = run_check(trial.with_check(options={**given, **options, "bijector": bijector}), check)
    assert result.passed, result.detail
