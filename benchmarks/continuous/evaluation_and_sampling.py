"""Log-densities and samples by the published recipe and by flowzoo, in turn, with the errors of both.

    python benchmarks/continuous/evaluation_and_sampling.py --threads 1 --out evaluation.json

The recipe solves with bosh3 at 1e-5, as the papers do; to sample, FFJORD's published code carries the
divergence along, and the fields alone are shown beside it. flowzoo fixes its grid on a pilot batch before it
evaluates, and samples adaptively. Both estimate the trace with the same probe, one for each image and block.
Errors are against a tight solve (float64, dopri8 at 1e-9) with that probe.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

import torch
from details import Details
from errors import Results, errors, rms_over
from recipe import JUDGE_TOLERANCE, Recipe, draw_probes, judge
from setting import BLOCKS, Setting, build_cnf, command_line, facts, prepare, trained_weights
from timing import alternate, print_table, ratios, write
from torch import Tensor

from flowzoo.bijector import standard_normal_log_prob
from flowzoo.call import Call
from flowzoo.solving import Solving
from flowzoo.warm_start import WarmStart

RECIPE, FLOWZOO = "recipe", "flowzoo"
ALONE = "recipe, fields alone"

Batch = tuple[Tensor, Tensor]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    asked = command_line(
        __doc__ or "", arguments, repetitions=11, warm_up=1, pilot_images=64, error_batches=2, error_images=8
    )
    setting = prepare(asked)
    contest = Contest(setting, trained_weights(setting), asked.pilot_images)
    figures = {}
    for task in (contest.evaluate, contest.sample):
        sides = (RECIPE, FLOWZOO) if task == contest.evaluate else (RECIPE, ALONE, FLOWZOO)
        seconds = alternate(contest.cases(task, sides), asked.repetitions, asked.warm_up)
        evaluations = {side: statistics.median(each) for side, each in contest.evaluations.items()}
        faster = {side: ratios(seconds[side], seconds[FLOWZOO]) for side in sides if side != FLOWZOO}
        found = contest.errors(task, sides, asked.error_batches, asked.error_images)
        figures[task.__name__] = {
            "seconds": seconds,
            "faster": faster,
            "evaluations": evaluations,
            "errors": found,
        }
        names = list(found[RECIPE])
        print_table(
            f"{task.__name__}: {setting.batch} images, {asked.repetitions} in turn, "
            f"{torch.get_num_threads()} threads; pair by pair flowzoo is faster than "
            + "; ".join(
                f"{side}: {each['median']:.3g} times ({each['least']:.3g} to {each['greatest']:.3g})"
                for side, each in faster.items()
            ),
            ("", "median s", "evaluations", *names),
            [
                (side, statistics.median(seconds[side]), evaluations[side], *found[side].values())
                for side in seconds
            ],
        )
    write(asked.out, {**facts(setting), **figures})


class Contest:
    """Both sides at the same weights.

    Args:
        setting: What is measured.
        weights: The weights of flowzoo's side.
        pilot_images: The images on which flowzoo fixes its grid.
    """

    def __init__(self, setting: Setting, weights: dict[str, Tensor], pilot_images: int) -> None:
        self._setting = setting
        self._cnf = build_cnf(setting)
        self._cnf.load_state_dict(weights)
        self._recipe = Recipe(self._cnf.blocks)
        self._judge = judge(self._cnf.blocks)
        self._warm_start = WarmStart(self._cnf)
        x, context = Details(held_out=True, seed=4, device=setting.device).batch(pilot_images)
        with torch.no_grad():
            self._cnf(x, context, Call(generator=_seeded(-1), solver=Solving(warm_start=self._warm_start)))
        self._warm_start.frozen = True
        self.evaluations: dict[str, list[float]] = {}

    def cases(self, task: Task, sides: Sequence[str]) -> dict[str, Callable[[int], None]]:
        """Return what :func:`timing.alternate` wants, and start to count evaluations."""
        details = Details(held_out=True, seed=5, device=self._setting.device)
        batches: dict[int, Batch] = {}
        self.evaluations = {side: [] for side in sides}

        def case(side: str) -> Callable[[int], None]:
            def run(repetition: int) -> None:
                if repetition not in batches:
                    batches.clear()
                    batches[repetition] = details.batch(self._setting.batch)
                self.evaluations[side].append(task(side, *batches[repetition], repetition)[1])

            return run

        return {side: case(side) for side in sides}

    def errors(
        self, task: Task, sides: Sequence[str], batches: int, images: int
    ) -> dict[str, dict[str, float]]:
        """Return all sides' errors on batches of their own."""
        details = Details(held_out=True, seed=6, device=self._setting.device)
        found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        for number in range(batches):
            x, context = details.batch(images)
            truth, _ = task("judge", x.double(), context.double(), number)
            for side, each in found.items():
                results, _ = task(side, x, context, number)
                each.append(errors(results, truth))
        return {side: rms_over(each) for side, each in found.items()}

    @torch.no_grad()
    def evaluate(self, side: str, x: Tensor, context: Tensor, seed: int) -> tuple[Results, float]:
        """Return latents and log-densities, and how often fields were evaluated."""
        if side == FLOWZOO:
            call, ledger = Call(
                generator=_seeded(seed), solver=Solving(warm_start=self._warm_start)
            ).collecting()
            z, log_det = self._cnf(x, context, call)
            return Results(z, standard_normal_log_prob(z) + log_det), ledger.counts["evaluations"]
        recipe, tolerance = self._papers(side)
        z, log_prob = recipe.latents(x, context, draw_probes(x, BLOCKS, _seeded(seed)), tolerance)
        return Results(z, log_prob), recipe.evaluations.forward

    @torch.no_grad()
    def sample(self, side: str, x: Tensor, context: Tensor, seed: int) -> tuple[Results, float]:
        """Return samples given the context, from noise of the shape of ``x``, and the evaluations."""
        z = Call(generator=_seeded(seed)).normal(x)
        if side == FLOWZOO:
            call, ledger = Call().collecting()
            return Results(self._cnf.inverse(z, context, call)), ledger.counts["evaluations"]
        recipe, tolerance = self._papers(side)
        probes = draw_probes(z, BLOCKS, _seeded(seed)) if side == RECIPE else None
        return Results(recipe.sample(z, context, probes, tolerance)), recipe.evaluations.forward

    def _papers(self, side: str) -> tuple[Recipe, float]:
        return (self._judge, JUDGE_TOLERANCE) if side == "judge" else (self._recipe, 1e-5)


Task = Callable[[str, Tensor, Tensor, int], tuple[Results, float]]


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(1_000 + seed)


if __name__ == "__main__":
    main()
