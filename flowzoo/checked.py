"""Calls of parts that check the shapes of results, so that an error names the right part.

Code that calls a part uses these functions. Otherwise torch would broadcast a wrong shape silently, or the
mistake would appear later, and the error would name another part.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.call import Call
from flowzoo.errors import ShapeError
from flowzoo.origin import name_of, origin_of
from flowzoo.shapes import Images, PerImage


def forward(
    part: ConditionalBijector, x: Images, context: Images | None, call: Call
) -> tuple[Images, PerImage]:
    """Call a bijector; arguments and result as :meth:`~flowzoo.bijector.ConditionalBijector.forward`.

    Raises:
        ShapeError: It returned another shape than its interface states.
    """
    z, log_det = part(x, context, call)
    require_shape(part, "z", z, x.shape)
    require_shape(part, "log_det", log_det, x.shape[:1])
    return z, log_det


def forward_with_contributions(
    part: ConditionalBijector, x: Images, contributions: Images, context: Images | None, call: Call
) -> tuple[Images, Images]:
    """Call a bijector for the contributions of its ``log_det``; errors as in :func:`forward`."""
    z, grown = part.forward_with_contributions(x, contributions, context, call)
    require_shape(part, "z", z, x.shape)
    require_shape(part, "contributions", grown, x.shape)
    return z, grown


def inverse(part: ConditionalBijector, z: Images, context: Images | None, call: Call) -> Images:
    """Invert a bijector; errors as in :func:`forward`."""
    x = part.inverse(z, context, call)
    require_shape(part, "an inverse", x, z.shape)
    return x


def loss(part: ConditionalBijector, x: Images, context: Images | None, call: Call) -> PerImage:
    """Return a bijector's training loss; errors as in :func:`forward`."""
    found = part.loss(x, context, call)
    require_shape(part, "loss", found, x.shape[:1])
    return found


def require_shape(part: nn.Module, what: str, found: Tensor, shape: tuple[int, ...]) -> None:
    """Refuse a part's result with a wrong shape.

    Raises:
        ShapeError: The shape is wrong; the message names the part.
    """
    if found.shape != shape:
        raise ShapeError(
            f"{name_of(part)} returned {what} of shape {tuple(found.shape)}, expected {tuple(shape)}. "
            "This is a mistake in the component: report it to its author"
        )


def who_declares(part: ConditionalBijector, declares: Callable[[ConditionalBijector], bool]) -> str:
    """Return the name of the innermost part that makes a bijector declare something."""
    found = [each for each in part.modules() if isinstance(each, ConditionalBijector) and declares(each)]
    known = [each for each in found if origin_of(each)]
    return name_of((known or found or [part])[-1])
