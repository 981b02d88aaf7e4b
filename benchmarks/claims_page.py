"""Writes docs/claims.md and its pictures from the recorded results.

python benchmarks/claims_page.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from flowzoo.bench.claims import Verdict, verdicts
from flowzoo.bench.claims_plot import plot_verdicts
from flowzoo.bench.store import read_results
from flowzoo.bench.suites import find_suite
from flowzoo.cli.bench_claims import evidence_of

HERE = Path(__file__).parent
RECORDED = HERE / "results" / "suites"
PAGE = HERE.parent / "docs" / "claims.md"

SUITES = {
    "claims": "Likelihoods, times and scores",
    "claims-temperature": "Temperatures",
}

INTRODUCTION = """\
# What papers claim, and what was found here

Papers say that one model, or one choice, is better than another. Suites of flowzoo test such
claims. A claim is **reproduced** if the 95 % interval of the difference lies on the side that the
paper claims, **contradicted** if it lies on the other side, and **undecided** otherwise. [How it is
judged](benchmarks.md#judge-claims).

**A verdict holds at its scale only.** Here that is digits of 8x8 pixels, models of 10,000 to a few
hundred thousand parameters with the papers' recipes (`preset: paper`), 200 to 1,200 steps of 64 images,
three or six seeds, one core of a shared machine. Papers train larger models on larger images for days. So a
claim that is contradicted here may well hold there, and the other way round.

    flowzoo bench run claims --out results --jobs 2
    flowzoo bench claims results --plot claims.png

This page is made from the records in `benchmarks/results/suites` by `benchmarks/claims_page.py`.
"""


def text_of(judged: dict[str, Sequence[Verdict]]) -> str:
    """Return the page."""
    parts = [INTRODUCTION]
    for name, verdicts_of_suite in judged.items():
        counts = Counter(each.outcome for each in verdicts_of_suite)
        summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        parts.append(f"## {SUITES[name]}\n\nSuite `{name}`: {summary}.\n")
        if any(each.interval is not None for each in verdicts_of_suite):
            parts.append(
                f"![Differences with their intervals](images/{name}.png)\n\n"
                "*Each difference is divided by half the width of its own 95 % interval, so every interval "
                "is two units wide. A point to the right of zero supports the paper. A difference that does "
                "not fit is written as a number.*\n"
            )
        lines = ["| verdict | claim | what was measured | source |", "|---|---|---|---|"]
        for each in verdicts_of_suite:
            cells = (f"**{each.outcome}**", each.claim.claim, evidence_of(each), each.claim.source)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def judge() -> dict[str, Sequence[Verdict]]:
    """Return the verdicts of every suite of claims that is recorded."""
    found = {}
    for name in SUITES:
        if not (RECORDED / name).is_dir():
            continue
        results = read_results(RECORDED / name)
        records = [each for each in results.results if each.status == "finished"]
        found[name] = list(verdicts(find_suite(name), records, results.bits))
    return found


def main() -> None:
    """Write the page and its pictures."""
    judged = judge()
    PAGE.write_text(text_of(judged))
    for name, each in judged.items():
        plot_verdicts(each, PAGE.parent / "images" / f"{name}.png")


if __name__ == "__main__":
    main()
