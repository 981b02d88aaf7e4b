"""What no probability allows, whatever the images: two sums over them, which cost nothing.

The mean of a likelihood ratio ``r / q`` over draws from ``q`` is the integral of ``r``, at most 1. By
Markov's inequality its log is larger than :data:`NATS` with a probability of at most ``exp(-NATS)``, 1e-13.
"""

from __future__ import annotations

from collections.abc import Iterator

NATS = 30.0
"""Log of a likelihood ratio that is never reached by chance."""


def impossible(log_prob: float, log_q: float) -> Iterator[str]:
    """Yield why sums over images cannot be those of probabilities.

    Args:
        log_prob: Sum of the bounds on ``log P(a)``, nats. The mean of ``exp`` of such a bound over the draws
            is the probability of an image, at most 1.
        log_q: Sum of ``log q(u | a)`` of all draws, nats. The noise lies in ``[0, 1]``, so the mean of
            ``1 / q`` is at most the volume, 1.
    """
    if log_q < -NATS:
        yield (
            f"no density: log q of the noise is {log_q:.4g} nats in all images. On average it cannot be "
            "negative, since the noise lies in [0, 1]"
        )
    if log_prob > NATS:
        yield (
            "no density: the images would be more probable than 1, since bits/dim are below 0. Such a figure "
            "is no bound"
        )
