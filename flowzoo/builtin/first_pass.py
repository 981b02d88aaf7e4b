"""Whether a component has taken its state from data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn

from flowzoo.errors import NotInitialisedError


@final
class FirstPass(nn.Module):
    """A flag, saved with the component that holds it: whether the first pass over data is done.

    Bijectors, transforms, splits and networks hold one beside the state that they take from data.

    Args:
        owner: Name of the component in the error.
        advice: What to do if its state is missing; a clause without a full stop.
    """

    initialised: Tensor

    def __init__(self, owner: str, advice: str = "call initialise(batches) on the model first") -> None:
        super().__init__()
        self.owner = owner
        self.advice = advice
        self.register_buffer("initialised", torch.tensor(False))
        self._known_done = False
        self.register_load_state_dict_post_hook(_forget)  # type: ignore[no-untyped-call]  # torch's

    @property
    def done(self) -> bool:
        """Whether the state has been set, by data or by loading."""
        # Reading the buffer waits for the device, so a yes is remembered until the next load.
        self._known_done = self._known_done or bool(self.initialised)
        return self._known_done

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> FirstPass:
        # Moving to another device may lose the buffer, as to_empty does.
        _forget(self, None)
        moved: FirstPass = super()._apply(fn, recurse)  # type: ignore[no-untyped-call]  # torch's
        return moved

    def finish(self) -> None:
        """Note that the state has been set."""
        self.initialised.fill_(True)

    def require(self) -> None:
        """Refuse use before the state has been set.

        Raises:
            NotInitialisedError: It has not.
        """
        if not self.done:
            raise NotInitialisedError(
                f"{self.owner} takes its state from data, and has not seen any yet. "
                f"{self.advice[0].upper()}{self.advice[1:]}, or load a trained model"
            )


def _forget(first_pass: FirstPass, _: Any) -> None:
    first_pass._known_done = False
