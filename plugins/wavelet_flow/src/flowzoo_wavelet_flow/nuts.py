"""The No-U-Turn sampler, by pyro."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from flowzoo.api import Images, NumericalError, PerImage, widest_dtype

DOUBLINGS = 6
"""Largest depth of a trajectory; near a multiple of ``N(0, I)`` they turn back after about 4."""

ADVICE = "choose a temperature nearer to 1, or train the model for longer"


def nuts(
    log_prob: Callable[[Images], PerImage],
    start: Images,
    seed: int,
    warmup: int,
    steps: int,
    report: Callable[[int, str], object],
) -> Images:
    """Move a batch of chains by NUTS, as one state whose density is the product of theirs.

    The mass matrix is the identity, which is right for densities near a multiple of ``N(0, I)``.

    Args:
        log_prob: Log-density of a batch of states, ``(n,)``, nats, up to a constant.
        start: The states at the start, ``(n, C, H, W)``, one for each chain.
        seed: Seed of pyro's draws. The global random state does not change.
        warmup: Number of transitions that adapt the step size.
        steps: Number of transitions after the warm-up.
        report: Called after every transition, with the number of transitions, and step size and acceptance
            in words.

    Returns:
        The state after the last transition, in the widest dtype that the device has.

    Raises:
        NumericalError: The density is not finite at the start, or most trajectories diverged.

    References:
        Hoffman and Gelman, "The No-U-Turn Sampler", 2014.
    """
    import pyro
    from pyro.infer.mcmc import NUTS

    def potential(state: dict[str, Tensor]) -> Tensor:
        with torch.enable_grad():
            return -log_prob(state["z"]).sum()

    # The energies of all chains add up, and their differences decide, so many digits are needed.
    state = {"z": start.detach().to(widest_dtype(start.device))}
    if not bool(potential(state).isfinite()):
        raise NumericalError(f"the density is not finite where sampling starts; {ADVICE}")
    kernel = NUTS(potential_fn=potential, adapt_mass_matrix=False, max_tree_depth=DOUBLINGS)
    kernel.initial_params = state
    with _own_random_state(start.device, seed), pyro.validation_enabled(False):
        kernel.setup(warmup)
        for step in range(warmup + steps):
            state = kernel.sample(state)
            report(step + 1, ", ".join(f"{name} {value}" for name, value in kernel.logging().items()))
    diverged = len(kernel.diagnostics()["divergences"])
    if 2 * diverged > steps:
        raise NumericalError(f"{diverged} of {steps} trajectories diverged; {ADVICE}")
    return state["z"].detach()


@contextmanager
def _own_random_state(device: torch.device, seed: int) -> Iterator[None]:
    """Seed the global random state, from which pyro draws, inside the block, and restore it afterwards."""
    accelerated = device.type != "cpu"
    devices = [device.index or 0] if accelerated else []
    with torch.random.fork_rng(devices, device_type=device.type if accelerated else None):
        torch.default_generator.manual_seed(seed)
        if accelerated:
            torch.get_device_module(device).manual_seed(seed)
        yield
