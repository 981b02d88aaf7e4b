"""Whether a sound component is ever refused: the conformance kit on what is registered, over many seeds.

    python benchmarks/conformance_seeds.py --seeds 20 --kinds transform,bijector,split,network,model,metric

Weights, images and contexts are drawn anew for each seed. Prints what was refused, and how many checks were
made; the exit code is 1 if anything was refused.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence

import torch

from flowzoo.component import Kind
from flowzoo.registry.loader import default_registry
from flowzoo.testing import CheckResult, checks_for, run_check, trials_of


def main() -> None:
    """Run the kit and print what it refused."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--kinds", default="transform,bijector,split,network,model", help="kinds to check")
    parser.add_argument("--without", default="", help="checks to leave out, for speed")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    refused = made = 0
    began = time.process_time()
    for seed in range(asked.first, asked.first + asked.seeds):
        for kind in asked.kinds.split(","):
            for component in default_registry().components(kind):
                for result in _results(kind, component.name, seed, asked.without.split(",")):
                    made += 1
                    if not result.passed:
                        refused += 1
                        print(
                            f"seed {seed}: {kind} {component.name}, {result.title}: {result.detail}",
                            flush=True,
                        )
        seconds = time.process_time() - began
        print(
            f"seed {seed}: {made} checks so far, {refused} refused, {seconds:.0f} s of processor time",
            flush=True,
        )
    sys.exit(bool(refused))


def _results(kind: Kind, name: str, seed: int, without: Sequence[str]) -> Iterator[CheckResult]:
    """Yield what the checks found that could be made."""
    for trial in trials_of(kind, name, seed):
        for check in checks_for(kind, trial.component.exact):
            if check not in without:
                result = run_check(trial, check)
                if not result.needs_files:
                    yield result


if __name__ == "__main__":
    main()
