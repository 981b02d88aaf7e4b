"""``log |det J|`` of a map by brute force: one column, or one row, of the Jacobian at a time."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from flowzoo.errors import NumericalError
from flowzoo.evaluation.density.stopwatch import Stopwatch

Way = Literal["forward mode", "reverse mode", "finite differences"]

STEPS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)
"""Finite differences are tried with each: rounding spoils short steps, the more so in a part that computes in
single precision, and curvature and kinks spoil long ones."""

AGREE = 1e-3
"""Relative distance up to which a derivative and a finite difference count as the same."""

COTANGENTS = 8
"""Number of random rows for which reverse mode is compared with finite differences."""

FEW_ROWS, NOTICEABLE = 8, 0.2
"""Number of rows with which a map is timed first, and a time in seconds that is more than overhead."""

SINGULAR = 1e-15
"""Fraction of the largest pivot below which double precision cannot distinguish the smallest from zero."""

VALUES_AT_ONCE = 2**15
"""Number of values in the rows of one batch; fewer in reverse mode, which keeps what it computes."""


@runtime_checkable
class RowMap(Protocol):
    """A differentiable map of vectors. It treats all rows of a batch alike, and each by itself."""

    @property
    def start(self) -> Tensor:
        """The points at which its Jacobians are wanted, ``(N, n)``, float64."""

    @property
    def room(self) -> Tensor:
        """How far each value may be moved, ``(N, n)``."""

    def __call__(self, rows: Tensor, image: int) -> Tensor:
        """Map ``(B, n)`` to ``(B, m)``; all rows belong to one image, given by its place."""


class Derivative(NamedTuple):
    """How a map is differentiated.

    Attributes:
        way: How it is differentiated.
        error: Relative distance from finite differences in a random direction.
        remark: Why it is not forward mode, empty if it is.
    """

    way: Way
    error: float
    remark: str = ""


def choose_derivative(mapping: RowMap, seed: int = 0) -> Derivative:
    """Find a way to differentiate a map that agrees with finite differences, the quickest first.

    Args:
        mapping: At the start of its first image.
        seed: Seed of the random direction.
    """
    start, room = mapping.start[0], mapping.room[0]
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, start.shape, generator=generator).to(start) * 2 - 1
    direction = signs * room
    differences = [_difference(mapping, 0, start[None], direction[None], step)[0] for step in STEPS]
    # Several, since a single wrong number may be near the right one by chance.
    cotangents = torch.randn((COTANGENTS, len(differences[0])), generator=generator, dtype=torch.float64)
    cotangents = cotangents.to(start.device)
    remarks = []
    for way in ("forward mode", "reverse mode"):
        try:
            if way == "forward mode":
                found = _push(mapping, 0, start[None], direction[None])[0]
                error = min(_distance(found, each) for each in differences)
            else:
                pulled = _pull(mapping, 0, start.expand(COTANGENTS, -1), cotangents) @ direction
                error = min(
                    _distance(pulled, cotangents @ each, COTANGENTS**0.5 * each.norm())
                    for each in differences
                )
        except Exception as problem:  # the code of others may fail in any way
            remarks.append(f"{way} fails ({type(problem).__name__})")
            continue
        if error <= AGREE:
            return Derivative(way, error, "; ".join(remarks))
        remarks.append(f"{way} is wrong (off by {error:.2g} of its size)")
    return Derivative("finite differences", _steadiness(differences), "; ".join(remarks))


def log_abs_det(
    mapping: RowMap, image: int, way: Way, tick: Callable[[int], None] = lambda products: None
) -> float:
    """Return ``log |det J|`` at one image's start; minus infinity where ``J`` is singular to rounding.

    Args:
        mapping: A map with as many outputs as inputs.
        image: Place of the image.
        way: The way to differentiate.
        tick: Called with the number of products with the Jacobian that were computed.

    Raises:
        NumericalError: The map is not square, or its Jacobian is not finite.
    """
    if not mapping.start.shape[1]:
        return 0.0
    jacobian = jacobian_of(mapping, image, way, tick)
    outputs, inputs = jacobian.shape
    if outputs != inputs:
        raise NumericalError(
            f"{inputs} values are mapped to {outputs}, and a density needs as many out as in"
        )
    if not bool(jacobian.isfinite().all()):
        raise NumericalError("the Jacobian of encode is not finite")
    # Rows and columns of very different size are no sign of a singular matrix: they are brought to one first.
    rows = jacobian.abs().amax(1)
    columns = (jacobian / rows[:, None]).abs().amax(0)
    if not bool((rows > 0).all() and (columns > 0).all()):
        return -math.inf
    pivots = torch.linalg.lu_factor_ex(jacobian / rows[:, None] / columns).LU.diagonal().abs()
    if float(pivots.min()) <= SINGULAR * float(pivots.max()):
        return -math.inf
    return float(pivots.log().sum() + rows.log().sum() + columns.log().sum())


def jacobian_of(
    mapping: RowMap, image: int, way: Way, tick: Callable[[int], None] = lambda products: None
) -> Tensor:
    """Return the Jacobian at one image's start, ``(m, n)``; arguments as in :func:`log_abs_det`."""
    start = mapping.start[image]
    n = len(start)
    chunk = rows_at_once(n, way)
    parts = []
    size = n
    if way == "reverse mode":
        with torch.no_grad():
            size = mapping(start[None], image).shape[1]
    for places in torch.arange(size, device=start.device).split(chunk):
        unit = torch.zeros((len(places), size), dtype=start.dtype, device=start.device)
        unit[torch.arange(len(places)), places] = 1.0
        rows = start.expand(len(places), -1)
        if way == "forward mode":
            parts.append(_push(mapping, image, rows, unit))
        elif way == "reverse mode":
            parts.append(_pull(mapping, image, rows, unit))
        else:
            room = mapping.room[image][places, None]
            parts.append(_difference(mapping, image, rows, unit * room, STEPS[1]) / room)
        tick(len(places))
    stacked = torch.cat(parts)
    return stacked if way == "reverse mode" else stacked.T


def seconds_a_product(mapping: RowMap, way: Way) -> float:
    """Return how long one product with the Jacobian takes among as many as are computed at once."""
    most = rows_at_once(len(mapping.start[0]), way)
    few = min(FEW_ROWS, most)
    seconds = _seconds(mapping, way, few)
    if seconds > NOTICEABLE:  # the first call may load and allocate what later ones find
        seconds = min(seconds, _seconds(mapping, way, few))
    # What takes long with few rows takes as long a row with many.
    return seconds / few if seconds > NOTICEABLE or few == most else _seconds(mapping, way, most) / most


def _seconds(mapping: RowMap, way: Way, count: int) -> float:
    """Return how long so many products take together."""
    rows = mapping.start[0].expand(count, -1)
    direction = mapping.room[0].expand_as(rows)
    watch = Stopwatch()
    if way == "forward mode":
        _push(mapping, 0, rows, direction)
    elif way == "reverse mode":
        with torch.no_grad():
            size = mapping(rows[:1], 0).shape[1]
        _pull(mapping, 0, rows, rows.new_ones((len(rows), size)))
    else:
        _difference(mapping, 0, rows, direction, STEPS[1])
    return watch.seconds()


def rows_at_once(values: int, way: Way) -> int:
    """Return how many rows of so many values go through a map together."""
    limit = VALUES_AT_ONCE // (8 if way == "reverse mode" else 1)
    return max(1, min(values, limit // max(1, values)))


@torch.no_grad()
def _push(mapping: RowMap, image: int, rows: Tensor, tangents: Tensor) -> Tensor:
    """Return ``J t`` for each row's tangent, ``(B, m)``."""
    with warnings.catch_warnings():
        # torch loads parts at first use that it declares deprecated itself.
        warnings.simplefilter("ignore", DeprecationWarning)
        product: Tensor = torch.func.jvp(lambda v: mapping(v, image), (rows.contiguous(),), (tangents,))[1]
    return product


@torch.enable_grad()
def _pull(mapping: RowMap, image: int, rows: Tensor, cotangents: Tensor) -> Tensor:
    """Return ``c^T J`` for each row's cotangent, ``(B, n)``."""
    rows = rows.detach().clone().requires_grad_()
    out = mapping(rows, image)
    (product,) = torch.autograd.grad((out * cotangents).sum(), rows)
    return product


@torch.no_grad()
def _difference(mapping: RowMap, image: int, rows: Tensor, directions: Tensor, step: float) -> Tensor:
    """Return central differences, ``(B, m)``; both sides go through the map together."""
    both = torch.cat([rows + step * directions, rows - step * directions])
    above, below = mapping(both, image).chunk(2)
    return (above - below) / (2.0 * step)


def _distance(found: Tensor, expected: Tensor, size: Tensor | None = None) -> float:
    size = expected.norm() if size is None else size
    error = float((found - expected).norm() / (size + 1e-12))
    return error if error == error else float("inf")


def _steadiness(differences: list[Tensor]) -> float:
    return min(_distance(one, other) for one, other in pairwise(differences))
