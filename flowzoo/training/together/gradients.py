"""The gradient of a step, summed over the processes that compute its batches."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from flowzoo.call import Ledger
from flowzoo.errors import NumericalError
from flowzoo.training.stop import requested
from flowzoo.training.together.team import Team
from flowzoo.warm_start import WarmStart


def sum_gradients(
    team: Team,
    parameters: Sequence[nn.Parameter],
    losses: Sequence[Tensor],
    problem: NumericalError | None,
    ledger: Ledger,
    warm_start: WarmStart,
) -> Tensor:
    """Put the sum over all processes in place of this one's share of a step.

    One vector travels: the gradients, the loss, and what all have to decide in the same way. Reports of
    components and the warm start follow where there are any; the warm start is that after the last batch.

    Args:
        team: The processes.
        parameters: The parameters that train.
        losses: This process's shares of the loss.
        problem: Why this process could not compute its share.
        ledger: What components have reported; gets the totals of all.
        warm_start: What components keep; gets that of the last process.

    Returns:
        The loss of the step, a scalar on the device.

    Raises:
        NumericalError: A process could not compute its share.
    """
    like = parameters[0]
    has = [each.grad is not None for each in parameters]
    reports = bool(ledger.counts or warm_start.state())
    flags = like.new_tensor([problem is not None, requested() is not None, reports, *has])
    loss = torch.stack(list(losses)).sum() if losses else like.new_zeros(())
    gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
    joined = torch.cat([each.reshape(-1) for each in (flags, loss.to(like), *gradients)]).detach()
    team.sum(joined)
    failed, stop, reporting, *used = joined[: len(flags)].tolist()
    team.signal = requested() or (signal.SIGTERM if stop else None)
    if failed:
        texts = team.texts("" if problem is None else str(problem))
        raise NumericalError(next(each for each in texts if each)) from problem
    values = joined[len(flags) + 1 :].split([each.numel() for each in parameters])
    for parameter, value, count in zip(parameters, values, used, strict=True):
        # Without a gradient, optimisers leave a parameter as it is; with one of zero they may not.
        parameter.grad = value.view_as(parameter) if count else None
    if reporting:
        _share_reports(team, ledger, warm_start)
    return joined[len(flags)]


def _share_reports(team: Team, ledger: Ledger, warm_start: WarmStart) -> None:
    own = json.dumps({"counts": ledger.counts, "warm_start": warm_start.state()})
    told = [json.loads(each) for each in team.texts(own)]
    ledger.counts.clear()
    for each in told:
        for name, amount in each["counts"].items():
            ledger.counts[name] = ledger.counts.get(name, 0.0) + amount
    warm_start.return_to(told[-1]["warm_start"])
