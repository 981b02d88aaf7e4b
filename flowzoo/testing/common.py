"""Checks that every component which maps images has to pass."""

from __future__ import annotations

import safetensors.torch
import torch
from torch import Tensor

from flowzoo.errors import NotInitialisedError
from flowzoo.perturbation import randomise
from flowzoo.shapes import Images
from flowzoo.testing.draws import (
    BATCH,
    Draws,
    global_state_left_alone,
    global_states,
    scrambled,
)
from flowzoo.testing.result import require, require_close, require_equal
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial

_ROUNDING = 1e-9
"""Largest difference in float64 if an image is at another place in the batch."""


def keeps_images_apart(kind: type[Subject], trial: Trial) -> None:
    """An image's outputs do not depend on the rest of the batch, on its size, or on the image's place."""
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    alone = subject.evaluate(x, context, Draws())
    others, other_context = subject.images(seed=7), subject.context(seed=7)
    near = torch.arange(BATCH) != 1
    stays = near[:, None, None, None]
    mixed_context = context
    if context is not None and other_context is not None:
        mixed_context = torch.where(stays, context, other_context)
    for name, value in subject.evaluate(torch.where(stays, x, others), mixed_context, Draws()).items():
        what = f"'{name}' of the other images when one changes"
        require_close(value[near], alone[name][near], _ROUNDING, what)
    order = [2, 0, 1]
    permuted = subject.evaluate(x[order], None if context is None else context[order], Draws(indices=order))
    for name, value in permuted.items():
        require_close(value, alone[name][order], _ROUNDING, f"'{name}' of the permuted batch")
    for size in (1, 2 * BATCH + 1):
        batch, given = _repeated(x, size), None if context is None else _repeated(context, size)
        for name, value in subject.evaluate(batch, given, Draws(indices=range(size))).items():
            both = min(size, BATCH)
            expected = alone[name][:both]
            require(len(value) == size, f"'{name}' of a batch of {size} has shape {tuple(value.shape)}")
            require_close(
                value[:both], expected, _ROUNDING, f"'{name}' in a batch of {size} instead of {BATCH}"
            )


def has_gradients(kind: type[Subject], trial: Trial) -> None:
    """Each objective gives every parameter and the input a finite gradient that is not all zero.

    Integers have no gradient.
    """
    subject = kind.ready(trial)
    parameters = {name: each for name, each in subject.module.named_parameters() if each.requires_grad}
    context = subject.context()
    names = subject.objectives(subject.images(), context, Draws(mode="train")).keys()
    for objective in names:
        x = subject.images()
        given = {"the input": x.requires_grad_()} if x.is_floating_point() else {}
        inputs = {**given, **parameters}
        if not inputs:
            return
        value = subject.objectives(x, context, Draws(mode="train"))[objective]
        gradients = torch.autograd.grad(value, list(inputs.values()), allow_unused=True)
        for name, gradient in zip(inputs, gradients, strict=True):
            what = f"the gradient of {objective} with respect to {name}"
            require(gradient is not None, f"{what} does not exist")
            assert gradient is not None
            require(bool(gradient.isfinite().all()), f"{what} is not finite")
            require(bool((gradient != 0).any()), f"{what} is zero throughout")


def keeps_dtype_and_device(kind: type[Subject], trial: Trial) -> None:
    """Outputs have the dtype and the device of the input, on the CPU and on a GPU if there is one."""
    places = [("cpu", torch.float32), ("cpu", torch.float64)]
    if torch.cuda.is_available():
        places.append(("cuda", torch.float32))
    for device, dtype in places:
        subject = kind.ready(trial)
        subject.module.to(device=device, dtype=dtype)
        x = subject.images().to(device=device, dtype=dtype)
        context = subject.context()
        context = None if context is None else context.to(device=device, dtype=dtype)
        for name, value in subject.evaluate(x, context, Draws()).items():
            what = f"'{name}' for input in {dtype} on {device}"
            require(value.dtype == dtype, f"{what} is in {value.dtype}")
            require(value.device.type == device, f"{what} is on {value.device}")
            require(bool(value.isfinite().all()), f"{what} is not finite")


def saves_its_state(kind: type[Subject], trial: Trial) -> None:
    """The results stay the same if the state is saved and loaded into one built with other random weights."""
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    saved = safetensors.torch.save(subject.state())
    loaded = kind(trial.build(seed=1), trial)
    randomise(loaded.module, trial.mixed(1))
    loaded.module.load_state_dict(safetensors.torch.load(saved))
    expected = subject.evaluate(x, context, Draws())
    require_equal(loaded.evaluate(x, context, Draws()), expected, "after saving and loading")
    others = {id(each) for each in loaded.module.parameters()}
    shared = [name for name, each in subject.module.named_parameters() if id(each) in others]
    require(not shared, f"two built components share the parameter {', '.join(shared)}; make one for each")


def follows_its_parameters(kind: type[Subject], trial: Trial) -> None:
    """Nothing computed from old weights is reused after new ones are loaded or written in place."""
    subject, other = kind.ready(trial), kind.ready(trial, seed=1)
    x, context = subject.images(), subject.context()
    # One that has computed nothing yet, not even the first pass.
    fresh = kind(trial.build(), trial)
    fresh.module.load_state_dict(other.state())
    expected = fresh.evaluate(x, context, Draws())
    _fill_caches(subject, x, context)
    subject.module.load_state_dict(other.state())
    require_equal(subject.evaluate(x, context, Draws()), expected, "after a call and new weights")
    subject = kind.ready(trial, seed=1)
    with torch.no_grad():
        for parameter in subject.module.parameters():
            parameter.mul_(0.5)
        _fill_caches(subject, x, context)
        for parameter, new in zip(subject.module.parameters(), other.module.parameters(), strict=True):
            parameter.copy_(new)
    require_equal(subject.evaluate(x, context, Draws()), expected, "after a call and an optimiser's step")


def _fill_caches(subject: Subject, x: Images, context: Images | None) -> None:
    subject.evaluate(x, context, Draws())
    subject.objectives(x, context, Draws(mode="train"))


def makes_one_first_pass(kind: type[Subject], trial: Trial) -> None:
    """State that comes from data is set once: not again, not after loading, and it is not used before."""
    subject = kind(trial.build(), trial)
    x, context = subject.images(), subject.context()
    before = subject.state()
    subject.first_pass()
    after = subject.state()
    if any(not torch.equal(after[name], before[name]) for name in before):
        _require_refusal(kind(trial.build(), trial))
    expected = subject.evaluate(x, context, Draws())
    subject.first_pass(seed=5)
    require_equal(subject.evaluate(x, context, Draws()), expected, "after a second first pass over data")
    loaded = kind(trial.build(seed=1), trial)
    loaded.module.load_state_dict(subject.state())
    loaded.first_pass(seed=5)
    require_equal(
        loaded.evaluate(x, context, Draws()), expected, "after loading and a first pass over other data"
    )


def repeats_itself(kind: type[Subject], trial: Trial) -> None:
    """The same call gives the same result after any other call, and no call changes the saved state."""
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    state = subject.state()
    first = subject.evaluate(x, context, Draws())
    subject.objectives(x, context, Draws(seed=3, mode="train"))
    require_equal(subject.evaluate(x, context, Draws()), first, "in a second evaluation")
    require_equal(subject.state(), state, "state after evaluation")
    x, context = subject.images(seed=7), subject.context(seed=7)
    expected = kind.ready(trial).evaluate(x, context, Draws())
    require_equal(subject.evaluate(x, context, Draws()), expected, "after evaluations of other images")


def leaves_global_state_alone(kind: type[Subject], trial: Trial) -> None:
    """Only building may draw from the global random state. Nothing sets it, and no result depends on it."""
    results: list[dict[str, Tensor]] = []
    states: list[dict[str, object]] = []
    for seed in (1, 2):
        with scrambled(seed):
            results.append(_use(kind, trial))
            states.append(global_states())
    for library, state in states[0].items():
        require(state != states[1][library], f"sets the global random state of {library}")
    require_equal(results[0], results[1], "with another global random state")


def _use(kind: type[Subject], trial: Trial) -> dict[str, Tensor]:
    """Build a component, use it, and return all that is computed."""
    subject = kind(trial.build(), trial)
    x, context = subject.images(), subject.context()
    with global_state_left_alone("the first pass over data"):
        subject.first_pass()
    with global_state_left_alone("evaluation"):
        subject.evaluate(x, context, Draws())
    with global_state_left_alone("the loss"):
        subject.objectives(x, context, Draws(mode="train"))
    # Without those guards, which put the state back, for Python's own state and for all results.
    found = subject.evaluate(x, context, Draws())
    found |= subject.objectives(x, context, Draws(mode="train"))
    trial.make(trial)
    return found


def _repeated(images: Images, size: int) -> Images:
    return torch.cat([images, images.flip(0), images])[:size]


def _require_refusal(fresh: Subject) -> None:
    try:
        fresh.evaluate(fresh.images(), fresh.context(), Draws())
    except NotInitialisedError:
        return
    require(False, "takes its state from data, but can be used before it has seen any")
