"""Keeps the number of steps from batch to batch of a training, and audits the error at intervals."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from flowzoo_cnf.runge_kutta import Errors, Problem, Solution
from flowzoo_cnf.solver import Solver

AUDIT_EVERY = 200
"""Number of batches between two audits."""

AUDITED_IMAGES = 4


@dataclass(frozen=True)
class Carried:
    """What a block's next solve gets from the last one.

    Attributes:
        steps: Number of steps to begin with.
        fewest: Smallest number of steps, after an audit found the error estimates too low.
        batches: Number of batches solved so far.
    """

    steps: int = 1
    fewest: int = 1
    batches: int = 0


def solve_carried(
    solver: Solver, problem: Problem, start: float, end: float, carried: Carried, judge: Solver
) -> tuple[Solution, Carried, float | None]:
    """Solve with as few steps as the tolerance allows, and sometimes check that the error is really so small.

    Args:
        solver: A solver with a tolerance and error estimates.
        problem: What to solve.
        start: Time to begin at.
        end: Time to end at.
        carried: The state from the batch before.
        judge: Solves a few images far more accurately in an audit. If the error is larger than the tolerance,
            the block uses at least twice as many steps until the next audit.

    Returns:
        The solution, the state for the next batch, and the audited error, in the units of the tolerance, if
        there was an audit.

    Raises:
        NumericalError: No number of steps is enough.
    """
    found, steps = solver.solve_in_steps(problem, start, end, carried.steps)
    batches, fewest, error = carried.batches + 1, carried.fewest, None
    if batches % AUDIT_EVERY == 0 and solver.steps is None:
        error = _error(found, problem, start, end, judge)
        fewest = 2 * (len(found.grid) - 1) if error > solver.tolerance else max(1, fewest // 2)
    return found, Carried(max(steps, fewest), fewest, batches), error


@torch.no_grad()
def _error(found: Solution, problem: Problem, start: float, end: float, judge: Solver) -> float:
    few = torch.arange(len(found.v), device=found.v.device) < AUDITED_IMAGES
    judged = judge.solve(problem.part(few), start, end)
    state = (found.v[few] - judged.v) / (1.0 + judged.v.abs())
    log_det = (found.integrals[0][few] - judged.integrals[0]) / judged.v.shape[1:].numel()
    return Errors(state.square().flatten(1).mean(1).sqrt(), log_det.abs()).typical()
