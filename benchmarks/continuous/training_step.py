"""Training steps of the published recipe and of flowzoo, in turn, with the errors of both.

    python benchmarks/continuous/training_step.py --threads 1 --out training_step.json

Every step starts from the same trained weights, on the same batch with the same probes. Errors are those of
the state, of the log-density and of the gradient against a tight solve (float64, dopri8 at 1e-9) of the same
loss: where flowzoo takes ``J e`` for the Jacobian's norm, not the papers' ``e^T J``, so does its judge.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import torch
from details import Details
from errors import Results, errors, rms_over
from recipe import Product, Recipe, draw_probes, flat_gradient, flat_gradient_of_fields, judge
from setting import (
    BLOCKS,
    MATCHING,
    Setting,
    adam,
    build_cnf,
    command_line,
    facts,
    loss_of,
    prepare,
    step,
    trained_weights,
)
from timing import alternate, print_ratios, print_table, ratios, write
from torch import Tensor

from flowzoo.bijector import ConditionalBijector, standard_normal_log_prob
from flowzoo.call import Call
from flowzoo.solving import Solving
from flowzoo.warm_start import WarmStart

RECIPE, LIKELIHOOD, FLOW_MATCHING = "recipe", "flowzoo, likelihood", "flowzoo, flow matching"
PRODUCT_OF_FLOWZOO: Product = "J e"

Batch = tuple[Tensor, Tensor]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = command_line(__doc__ or "", arguments, repetitions=11, warm_up=2, error_batches=2, error_images=8)
    setting = prepare(asked)
    weights = trained_weights(setting)
    contest = Contest(setting, weights)
    seconds = alternate(contest.cases, asked.repetitions, asked.warm_up, contest.restore)
    faster = {name: ratios(seconds[RECIPE], seconds[name]) for name in (LIKELIHOOD, FLOW_MATCHING)}
    found = contest.errors(asked.error_batches, asked.error_images)
    print_table(
        f"a training step, {asked.repetitions} in turn, {torch.get_num_threads()} threads",
        ("", "median s", "least", "greatest", "evaluations", "in the adjoint"),
        [
            (name, statistics.median(each), min(each), max(each), *contest.median_evaluations(name))
            for name, each in seconds.items()
        ],
    )
    print_ratios(faster)
    names = list(found[RECIPE])
    print_table(
        "errors", ("", *names), [(side, *(each[name] for name in names)) for side, each in found.items()]
    )
    evaluations = {name: contest.median_evaluations(name) for name in seconds}
    write(
        asked.out,
        {**facts(setting), "seconds": seconds, "faster": faster, "evaluations": evaluations, "errors": found},
    )


class Contest:
    """All sides with their optimisers, and what they need to take the same step."""

    def __init__(self, setting: Setting, weights: dict[str, Tensor]) -> None:
        self._weights = weights
        self._cnf = build_cnf(setting)
        self._matching = build_cnf(setting, **MATCHING)
        self._cnf.load_state_dict(weights)
        self._recipe = Recipe(self._cnf.blocks)
        self._optimisers = {id(each): adam(each) for each in (self._cnf, self._matching, self._recipe)}
        self._warm_start = WarmStart(self._cnf)
        self._matching_warm_start = WarmStart(self._matching)
        self._setting = setting
        self._batches: dict[int, Batch] = {}
        self._details = Details(held_out=False, seed=2, device=setting.device)
        self._evaluations: dict[str, list[tuple[float, float]]] = {}
        self.cases: dict[str, Callable[[int], None]] = {
            RECIPE: self._step_of_recipe,
            LIKELIHOOD: self._step_of_likelihood,
            FLOW_MATCHING: self._step_of_matching,
        }

    def restore(self) -> None:
        """Undo the last step, so that every one starts from the same weights."""
        self._cnf.load_state_dict(self._weights)
        self._matching.load_state_dict(self._weights)
        self._recipe.copy_weights(self._cnf.blocks)

    def median_evaluations(self, name: str) -> tuple[float, float]:
        """Return how often fields were evaluated by the solver, and again by an adjoint."""
        forward, backward = zip(*self._evaluations[name], strict=True)
        return statistics.median(forward), statistics.median(backward)

    def errors(self, batches: int, images: int) -> dict[str, dict[str, float]]:
        """Return the errors of both sides on batches that were not timed."""
        self.restore()
        found: dict[str, list[dict[str, float]]] = {RECIPE: [], LIKELIHOOD: []}
        details = Details(held_out=False, seed=3, device=self._setting.device)
        for number in range(batches):
            x, context = details.batch(images)
            found[RECIPE].append(
                errors(recipe_results(self._recipe, x, context, number), self._truth(x, context, number))
            )
            ours = cnf_results(self._cnf, self._warm_start, x, context, number)
            truth = self._truth(x, context, number, PRODUCT_OF_FLOWZOO)
            found[LIKELIHOOD].append(errors(ours, truth))
        return {name: rms_over(each) for name, each in found.items()}

    def _truth(self, x: Tensor, context: Tensor, seed: int, product: Product = "e^T J") -> Results:
        return recipe_results(judge(self._cnf.blocks, product), x.double(), context.double(), seed)

    def _batch(self, repetition: int) -> Batch:
        if repetition not in self._batches:
            self._batches = {repetition: self._details.batch(self._setting.batch)}
        return self._batches[repetition]

    def _step_of_recipe(self, repetition: int) -> None:
        x, context = self._batch(repetition)
        step(
            self._recipe,
            self._optimisers[id(self._recipe)],
            lambda: self._recipe.loss(x, context, _seeded(repetition)).mean(),
        )
        self._note(RECIPE, repetition, self._recipe.evaluations)

    def _step_of_likelihood(self, repetition: int) -> None:
        self._step_of_cnf(LIKELIHOOD, self._cnf, self._warm_start, repetition)

    def _step_of_matching(self, repetition: int) -> None:
        self._step_of_cnf(FLOW_MATCHING, self._matching, self._matching_warm_start, repetition)

    def _step_of_cnf(
        self, name: str, cnf: ConditionalBijector, warm_start: WarmStart, repetition: int
    ) -> None:
        x, context = self._batch(repetition)

        def loss() -> Tensor:
            value, evaluations = loss_of(cnf, x, context, _seeded(repetition), warm_start)
            self._note(name, repetition, (evaluations, 0))
            return value

        step(cnf, self._optimisers[id(cnf)], loss)

    def _note(self, name: str, repetition: int, evaluations: tuple[float, float]) -> None:
        if repetition >= 0:
            self._evaluations.setdefault(name, []).append(evaluations)


def recipe_results(recipe: Recipe, x: Tensor, context: Tensor, seed: int) -> Results:
    """Return what a training step of the recipe computes."""
    recipe.zero_grad()
    terms = recipe.terms(x, context, draw_probes(x, BLOCKS, _seeded(seed)))
    terms.loss.mean().backward()
    return Results(terms.z.detach(), terms.log_prob.detach(), flat_gradient(recipe).clone())


def cnf_results(
    cnf: ConditionalBijector, warm_start: WarmStart, x: Tensor, context: Tensor, seed: int
) -> Results:
    """Return what a training step of flowzoo computes."""
    cnf.zero_grad()
    call, ledger = Call(
        mode="train", generator=_seeded(seed), solver=Solving(warm_start=warm_start)
    ).collecting()
    z, log_det = cnf(x, context, call)
    log_prob = standard_normal_log_prob(z) + log_det
    (sum(ledger.penalties.values()) - log_prob).mean().backward()
    return Results(z.detach(), log_prob.detach(), flat_gradient_of_fields(cnf.blocks).clone())


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(1_000 + seed)


if __name__ == "__main__":
    main()
