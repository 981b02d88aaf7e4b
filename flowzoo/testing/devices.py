"""Checks that a component works on any device and in any precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from flowzoo.errors import FlowzooError
from flowzoo.testing.draws import Draws
from flowzoo.testing.elsewhere import Elsewhere, MixedDevices, other_device
from flowzoo.testing.readings import operation_name, place_in_memory
from flowzoo.testing.result import CheckFailed, require, require_close
from flowzoo.testing.subject import Subject
from flowzoo.testing.trial import Trial

_ROUNDING = 1e-9
"""Largest difference on the other device, in float64."""


@torch.no_grad()
def runs_elsewhere(kind: type[Subject], trial: Trial) -> None:
    """It works on another device than the CPU, simulated if there is none (:mod:`flowzoo.testing.elsewhere`).

    Operations that such a device lacks are no finding, nor is a refusal. Tensors that stayed
    on the CPU are a finding.
    """
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    expected = subject.evaluate(x, context, Draws())
    with other_device():
        subject.module._apply(Elsewhere)
        subject.hand_over = _send
        try:
            found = subject.evaluate(x, context, Draws())
            subject.minimise(x, context, Draws(mode="train"))
        except MixedDevices as error:
            raise CheckFailed(
                f"on another device than the CPU, {error}; make tensors on the device of the input, "
                "and register those that are kept as buffers"
            ) from error
        except FlowzooError:
            return
        except (NotImplementedError, RuntimeError, TypeError) as error:
            require("numpy" not in str(error), "a tensor on another device than the CPU is passed to NumPy")
            return
    for name, value in found.items():
        require(value.device != x.device, f"'{name}' is on the CPU for input on another device")
        assert isinstance(value, Elsewhere)
        require_close(value.held, expected[name], _ROUNDING, f"'{name}' on another device")


@torch.no_grad()
def computes_in_double(kind: type[Subject], trial: Trial) -> None:
    """For input in float64, everything is computed in float64: no constant and no value has fewer digits.

    Draws are exempt, since they are rounded so that they are the same in all precisions, and so are
    values that are exact in any precision, such as those of masks.
    """
    subject = kind.ready(trial)
    x, context = subject.images(), subject.context()
    with _Rounding() as rounding:
        subject.evaluate(x, context, Draws())
        subject.minimise(x, context, Draws(mode="train"))
    require(
        not rounding.found,
        f"{rounding.found} uses values in {rounding.dtype} in a computation in float64; make constants in "
        "the dtype of the input",
    )


def _send(tensor: Tensor) -> Tensor:
    return tensor if isinstance(tensor, Elsewhere) else Elsewhere(tensor)


@final
class _Rounding(TorchDispatchMode):
    """Finds values of lower precision, which were not drawn, that are converted to float64."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.found = ""
        self.dtype: torch.dtype | None = None
        # By their place in memory. They are kept alive, so that no other tensor gets the same place.
        self._drawn: dict[int, Tensor] = {}

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        leaves = tree_leaves((args, kwargs))
        inputs = [each for each in leaves if isinstance(each, Tensor)]
        outputs = [each for each in tree_leaves(result) if isinstance(each, Tensor)]
        draws = any(isinstance(each, torch.Generator) for each in leaves)
        if draws or any(place_in_memory(each) in self._drawn for each in inputs):
            low = [each for each in outputs if each.dtype != torch.float64]
            self._drawn.update({place_in_memory(each): each for each in low})
        elif any(each.dtype == torch.float64 for each in outputs):
            for each in inputs:
                if each.is_floating_point() and each.dtype != torch.float64 and _is_rounded(each):
                    self.found, self.dtype = operation_name(func), each.dtype
        return result


def _is_rounded(tensor: Tensor) -> bool:
    """Whether some values need all digits of their format, as 0.1 does and 0.5 does not."""
    return not torch.equal(tensor.bfloat16().to(tensor.dtype), tensor)
