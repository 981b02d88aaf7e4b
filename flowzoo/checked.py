"""Calls of parts that check what comes back, so that an error names the right part.

Code that calls a part uses these functions. Otherwise torch would broadcast a wrong shape silently, or the
mistake would appear later, and the error would name another part.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.call import Call
from flowzoo.dequantisation import Dequantisation, Uniform
from flowzoo.errors import NumericalError, PluginError, ShapeError
from flowzoo.origin import name_of, origin_of
from flowzoo.shapes import Images, IntegerImages, PerImage, as_shape
from flowzoo.transform import ResolutionTransform


def forward(
    part: ConditionalBijector, x: Images, context: Images | None, call: Call
) -> tuple[Images, PerImage]:
    """Call a bijector; arguments and result as :meth:`~flowzoo.bijector.ConditionalBijector.forward`.

    Raises:
        ShapeError: It returned another shape than its interface states.
        PluginError: It changed what it was given.
    """
    given = _Given(part, call, {"x": x, "context": context})
    z, log_det = _pair(part, part(x, context, call), "z and log_det")
    given.require_unchanged()
    require_shape(part, "z", z, x.shape)
    require_shape(part, "log_det", log_det, x.shape[:1])
    return z, log_det


def transform(part: ResolutionTransform, x: Images, call: Call) -> tuple[Images, PerImage]:
    """Call a transform; arguments and result as :meth:`~flowzoo.transform.ResolutionTransform.forward`.

    Raises:
        ShapeError: It returned another shape than its interface states.
        PluginError: It changed what it was given.
    """
    given = _Given(part, call, {"x": x})
    y, log_det = _pair(part, part(x, call), "y and log_det")
    given.require_unchanged()
    require_shape(part, "y", y, (x.shape[0], *part.output_shape(as_shape(x.shape[1:]))))
    require_shape(part, "log_det", log_det, x.shape[:1])
    return y, log_det


def forward_with_contributions(
    part: ConditionalBijector, x: Images, contributions: Images, context: Images | None, call: Call
) -> tuple[Images, Images]:
    """Call a bijector for the contributions of its ``log_det``; errors as in :func:`forward`."""
    found = part.forward_with_contributions(x, contributions, context, call)
    z, grown = _pair(part, found, "z and contributions")
    require_shape(part, "z", z, x.shape)
    require_shape(part, "contributions", grown, x.shape)
    return z, grown


def inverse(part: ConditionalBijector, z: Images, context: Images | None, call: Call) -> Images:
    """Invert a bijector; errors as in :func:`forward`."""
    given = _Given(part, call, {"z": z, "context": context})
    x = part.inverse(z, context, call)
    given.require_unchanged()
    require_shape(part, "an inverse", x, z.shape)
    return x


def loss(part: ConditionalBijector, x: Images, context: Images | None, call: Call) -> PerImage:
    """Return a bijector's training loss; errors as in :func:`forward`."""
    found = part.loss(x, context, call)
    require_shape(part, "loss", found, x.shape[:1])
    return found


def noise(part: Dequantisation, images: IntegerImages, bins: int, call: Call) -> tuple[Images, PerImage]:
    """Draw noise; arguments and result as :meth:`~flowzoo.dequantisation.Dequantisation.forward`.

    The values are checked outside of training alone, since reading them would wait for a GPU in every step.

    Raises:
        ShapeError: It returned another shape than its interface states.
        NumericalError: The noise or its density is not finite.
        PluginError: The noise leaves the bin, or the images were changed, so what is computed from it is no
            bound.
    """
    given = _Given(part, call, {"images": images})
    u, log_q = _pair(part, part(images, bins, call), "u and log q")
    given.require_unchanged()
    require_shape(part, "u", u, tuple(images.shape))
    require_shape(part, "log q", log_q, images.shape[:1])
    if not call.training and type(part) is not Uniform and u.numel():
        low, high, least, most = torch.stack([*u.aminmax(), *log_q.to(u).aminmax()]).tolist()
        for what, ends in (("noise", (low, high)), ("log q of its noise", (least, most))):
            if not all(map(math.isfinite, ends)):
                raise NumericalError(f"{name_of(part)} returned {what} that is not finite")
        if low < -_ROUNDING or high > 1 + _ROUNDING:
            raise PluginError(
                f"{name_of(part)} returned noise between {low:.3g} and {high:.3g}, outside [0, 1]: it "
                f"leaves the bin, and the figure would be no bound. {_MISTAKE}"
            )
    return u, log_q


class _Given:
    """The tensors that a part is given, which it must not change: others compute from them too.

    They are compared outside of training alone, where they decide figures. An image that noise has changed
    before it is added, or a context that the next level goes on with, would be another one than the figure's.

    Args:
        part: The part.
        call: The call.
        tensors: What the part is given, by name.
    """

    def __init__(self, part: nn.Module, call: Call, tensors: Mapping[str, Tensor | None]) -> None:
        self._part = part
        compares = not (call.training or torch.compiler.is_compiling() or torch.is_inference_mode_enabled())
        self._versions = [
            (name, each, each._version)
            for name, each in tensors.items()
            if compares and each is not None and not each.is_inference()
        ]

    def require_unchanged(self) -> None:
        """Refuse a part that has changed a tensor in place.

        Raises:
            PluginError: It has.
        """
        if any(tensor._version != version for _, tensor, version in self._versions):
            # Two of them may be views of one tensor, and then both have changed.
            names = " or ".join(name for name, _, _ in self._versions)
            raise PluginError(
                f"{name_of(self._part)} changed {names} in place, from which others compute too. It has to "
                f"work on a copy. {_MISTAKE}"
            )


def require_shape(part: nn.Module, what: str, found: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse a part's result with a wrong shape.

    Raises:
        ShapeError: It is no tensor, or its shape is wrong; the message names the part.
    """
    if not isinstance(found, Tensor):
        raise ShapeError(
            f"{name_of(part)} returned a {type(found).__name__} as {what}, not a tensor. {_MISTAKE}"
        )
    if found.shape != shape:
        raise ShapeError(
            f"{name_of(part)} returned {what} of shape {tuple(found.shape)}, expected {tuple(shape)}. "
            f"{_MISTAKE}"
        )


def _pair(part: nn.Module, found: Any, what: str) -> tuple[Any, Any]:
    if not isinstance(found, tuple) or len(found) != 2:
        size = f" of {len(found)}" if isinstance(found, tuple) else ""
        raise ShapeError(
            f"{name_of(part)} returned a {type(found).__name__}{size}, expected a tuple of {what}. {_MISTAKE}"
        )
    return found


_MISTAKE = "This is a mistake in the component: report it to its author"

_ROUNDING = 1e-6
"""How far noise may leave its bin by rounding."""


def who_declares(part: ConditionalBijector, declares: Callable[[ConditionalBijector], bool]) -> str:
    """Return the name of the innermost part that makes a bijector declare something."""
    found = [each for each in part.modules() if isinstance(each, ConditionalBijector) and declares(each)]
    known = [each for each in found if origin_of(each)]
    return name_of((known or found or [part])[-1])
