"""Make the table of docs/ood.md: AUROC of each score, for some models against some other images.

Run it with the trained models' folders, which are named in the table::

    python benchmarks/ood.py --data digits --against mnist-5k constant -- glow=FOLDER mrcnf=FOLDER
"""

from __future__ import annotations

import argparse
import sys

from flowzoo.ood.detect import detect_ood
from flowzoo.ood.separation import Figure


def main() -> None:
    """Measure the models, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--data", required=True)
    parser.add_argument("--against", nargs="+", required=True)
    parser.add_argument("--images", type=int, default=200)
    asked = parser.parse_args()
    models = dict(each.split("=", 1) for each in asked.models)
    found = {
        name: detect_ood(
            folder,
            asked.against,
            asked.data,
            images=asked.images,
            training_images=asked.images,
            fit=True,
            counting=_counting(name),
        )
        for name, folder in models.items()
    }
    print("| against | score | " + " | ".join(models) + " |")
    print("|---|---|" + "---|" * len(models))
    for place, against in enumerate(next(iter(found.values())).against):
        names = dict.fromkeys(score.name for each in found.values() for score in each.against[place].scores)
        for name in names:
            cells = []
            for each in found.values():
                scores = {score.name: score.separation.auroc for score in each.against[place].scores}
                cells.append(_cell(scores[name]) if name in scores else "-")
            print(f"| {against.other} | {name} | " + " | ".join(cells) + " |")


def _cell(figure: Figure) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _counting(name: str):  # type: ignore[no-untyped-def]
    def of(what: str):  # type: ignore[no-untyped-def]
        return lambda done, count: print(f"{name}: {done} of {count} {what}", file=sys.stderr)

    return of


if __name__ == "__main__":
    main()
