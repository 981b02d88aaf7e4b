"""What transforms and bijectors declare of themselves, one frozen record each.

A wrapper hands on its inner part's record as a whole; a container merges the records of its parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flowzoo.exactness import Exactness, worst


@dataclass(frozen=True)
class BijectorTraits:
    """What a bijector declares of itself.

    Attributes:
        exactness: What its ``log_det`` is worth in evaluation.
        exact_on_request: Whether its ``log_det`` is exact where ``call.solver.exact`` is set.
        loss_is_likelihood: Whether its ``loss`` is the negative log-likelihood, so that the parts before it
            can train on that loss.
        takes_all_reals: Whether every finite value is in its domain. Inside a level it must be.
        pointwise: Whether it maps every value by itself, by one function for each channel. It then works at
            any image size.
        has_contributions: Whether ``forward_with_contributions`` returns each dimension's part of
            ``log_det``.
        calibrates: Whether it keeps in ``call.solver`` what all later images must meet too, such as the
            steps of a solver.
        solves: Whether its answers carry the error of an iterative solver, which evaluation then measures
            against answers of the same bijector with ``call.solver.tight``.

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

    def exactness_if(self, exact: bool) -> Exactness:
        """Return what ``log_det`` is worth in a call that does, or does not, request exact values."""
        return Exactness.EXACT if exact and self.exact_on_request else self.exactness


@dataclass(frozen=True)
class TransformTraits:
    """What a resolution transform declares of itself.

    Attributes:
        exactness: What its ``log_det`` is worth. It is ``BOUND`` where ``log_det`` is ``-log q`` of a draw.
        permutes: Whether it only moves values, so that what is known of a pixel moves with it.
        stochastic: Whether part of its output is drawn.
        dequantises: Whether what it draws is uniform noise over one integer bin of the pixels.
    """

    exactness: Exactness = Exactness.EXACT
    permutes: bool = False
    stochastic: bool = False
    dequantises: bool = False

    def exactness_if(self, exact: bool) -> Exactness:
        """Return what ``log_det`` is worth; a request for exact values changes nothing."""
        return self.exactness


def merged(traits: Iterable[BijectorTraits]) -> BijectorTraits:
    """Return the traits of bijectors one after another, of which the last one decides the loss.

    Args:
        traits: Those of the parts, in the order in which data meet them; at least one.
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
    )
