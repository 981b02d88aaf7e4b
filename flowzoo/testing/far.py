"""Checks at unusual values: very large, negative, and nearly all the same."""

from __future__ import annotations

import torch

from flowzoo.errors import FlowzooError
from flowzoo.shapes import Images
from flowzoo.testing.brute_force import brute_force_log_det
from flowzoo.testing.draws import Draws, draw_noise
from flowzoo.testing.invertible import Invertible
from flowzoo.testing.result import require, require_close
from flowzoo.testing.trial import Trial

_SPREADS = (1e-3, 3.0, 30.0)

_FURTHEST = f"noise of spread {_SPREADS[-1]:g}"

_FAR_TOLERANCE = 1e-6
"""Tolerance at large values, where a function is steep and a round trip loses digits."""


def holds_far_out(kind: type[Invertible], trial: Trial) -> None:
    """Round trip and ``log_det`` hold for all values in a component's domain; it may refuse large values.

    Noise of spread 0.001, 3 and 30 is tried, as data and as what is inverted; where the domain is ``[0, 1)``,
    values at both of its ends. In float32 the same values give finite results.
    """
    subject = kind.ready(trial)
    for name, x in _values(subject).items():
        try:
            _hold(subject, x, name)
            _stay_finite(kind.ready(trial), x, name)
        except FlowzooError as error:
            refused = f"{name} {'are' if name.startswith('values') else 'is'} refused: {error}"
            require(name == _FURTHEST, f"{refused}; if the domain is [0, 1), set takes_all_reals to False")


def _hold(subject: Invertible, values: Images, name: str) -> None:
    context = subject.context()
    tolerance = max(subject.check.tolerance, _FAR_TOLERANCE if name == _FURTHEST else 0.0)
    x = values.clone().requires_grad_()
    y, log_det = subject.forward(x, context, Draws(exact=True))
    if subject.trial.component.exact:
        expected = brute_force_log_det(y, x)
        require_close(log_det.detach(), expected, tolerance, f"log_det for {name}, against brute force")
    with torch.no_grad():
        back = subject.inverse(y.detach(), context, Draws())
        require_close(back, values, tolerance, f"inverse(forward(x)) for {name}")
        if subject.trial.component.exact and subject.takes_all_reals:
            y = draw_noise(y) * (values.std() / draw_noise(y).std())
            x = subject.inverse(y, context, Draws())
            require(bool(x.isfinite().all()), f"the inverse of {name} is not finite")
            require_close(
                subject.forward(x, context, Draws())[0], y, tolerance, f"forward(inverse(y)) for {name}"
            )


@torch.no_grad()
def _stay_finite(subject: Invertible, x: Images, name: str) -> None:
    subject.module.float()
    context = subject.context()
    context = None if context is None else context.float()
    y, log_det = subject.forward(x.float(), context, Draws())
    for what, value in {"the output": y, "log_det": log_det}.items():
        require(bool(value.isfinite().all()), f"{what} for {name}, in float32, is not finite")


def _values(subject: Invertible) -> dict[str, Images]:
    """Return the values to try, by name."""
    like = subject.images()
    if subject.takes_all_reals:
        return {f"noise of spread {spread:g}": spread * draw_noise(like) for spread in _SPREADS}
    near = 10.0 ** (-1.0 - 5.0 * like)
    return {"values near 0": near, "values near 1": 1.0 - near}
