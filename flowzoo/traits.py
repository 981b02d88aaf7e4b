"""The traits that transforms and bijectors declare, in one frozen record each.

A wrapper returns its inner part's record; a container merges the records of its parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flowzoo.exactness import Exactness, worst


@dataclass(frozen=True)
class BijectorTraits:
    """The traits of a bijector.

    Attributes:
        exactness: Exactness of its ``log_det`` in evaluation.
        exact_on_request: Whether its ``log_det`` is exact if ``call.solver.exact`` is set.
        loss_is_likelihood: Whether its ``loss`` is the negative log-likelihood, so that the parts before it
            can train on that loss.
        takes_all_reals: Whether every finite value is in its domain. Inside a level this is required.
        pointwise: Whether it maps every value by itself, by one function for each channel. It then works at
            any image size.
        has_contributions: Whether ``forward_with_contributions`` returns each dimension's part of
            ``log_det``.
        calibrates: Whether it keeps in ``call.solver`` what all later images must use too, such as the
            steps of a solver.
        solves: Whether its results have the error of an iterative solver, which evaluation then measures
            by results of the same bijector with ``call.solver.tight``.
        classes: Number of classes whose labels, ``call.labels``, change what it computes; 0 for none.
        guides: Whether its inverse follows ``call.solver.guidance``.

    >>> BijectorTraits(exactness=Exactness.UNBIASED, exact_on_request=True).exactness_if(exact=True).value
    'exact'
    """

    exactness: Exactness = Exactness.EXACT
    exact_on_request: bool = False
    loss_is_likelihood: bool = True
    takes_all_reals: bool = True
    pointwise: bool = False
    has_contributions: bool = False
    calibrates: bool = False
    solves: bool = False
    classes: int = 0
    guides: bool = False

    def exactness_if(self, exact: bool) -> Exactness:
        """Return the exactness of ``log_det`` in a call that does, or does not, request exact values."""
        return Exactness.EXACT if exact and self.exact_on_request else self.exactness


@dataclass(frozen=True)
class TransformTraits:
    """The traits of a resolution transform.

    Attributes:
        exactness: Exactness of its ``log_det``. It is ``BOUND`` if ``log_det`` is ``-log q`` of a draw.
        permutes: Whether it only moves values, so that each value still belongs to one pixel.
        stochastic: Whether part of its output is drawn.
        dequantises: Whether it draws uniform noise over one integer bin of the pixels.
    """

    exactness: Exactness = Exactness.EXACT
    permutes: bool = False
    stochastic: bool = False
    dequantises: bool = False

    def exactness_if(self, exact: bool) -> Exactness:
        """Return the exactness of ``log_det``; a request for exact values changes nothing."""
        return self.exactness


def merged(traits: Iterable[BijectorTraits]) -> BijectorTraits:
    """Return the traits of bijectors one after another, of which the last one decides the loss.

    Args:
        traits: Traits of the parts, in the order in which data pass them; at least one.
    """
    parts = list(traits)
    return BijectorTraits(
        exactness=worst(each.exactness for each in parts),
        exact_on_request=all(each.exactness_if(exact=True) is Exactness.EXACT for each in parts),
        loss_is_likelihood=parts[-1].loss_is_likelihood,
        takes_all_reals=all(each.takes_all_reals for each in parts),
        pointwise=all(each.pointwise for each in parts),
        has_contributions=all(each.has_contributions for each in parts),
        calibrates=any(each.calibrates for each in parts),
        solves=any(each.solves for each in parts),
        classes=max(each.classes for each in parts),
        guides=any(each.guides for each in parts),
    )
