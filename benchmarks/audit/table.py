"""The density audits of recorded results, as Markdown tables, one for each suite.

python benchmarks/audit/table.py benchmarks/results/suites > benchmarks/results/audit.md
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

COLUMNS = (
    "data",
    "model",
    "judged",
    "images",
    "log p off by at most",
    "allowed",
    "decode(encode(x)) off by",
    "seconds",
    "outcome",
)

INTRODUCTION = """\
# The density audit, model by model

From the records in `suites/`: trained weights, one thread, two cells at a time on two cores which other
work shared."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="folder of the suites' results")
    print(INTRODUCTION)
    for suite in sorted(path for path in parser.parse_args().results.iterdir() if path.is_dir()):
        print(f"\n## {suite.name}\n")
        print(_line(COLUMNS))
        print(_line(["---"] * len(COLUMNS)))
        for path in sorted(suite.glob("*[0-9a-f].json")):
            print(_line(_row(json.loads(path.read_text(encoding="utf-8")))))


def _row(record: dict[str, Any]) -> list[str]:
    measured = record["metrics"]["bits-per-dim"]
    audit = measured["conditions"]["density"]
    return [
        record["data"]["name"],
        record["label"],
        f"{audit['method']}, {audit['derivatives']}" if audit["method"] else "-",
        str(audit["images"]),
        _number(audit["worst"]),
        _number(audit["tolerance"]),
        _number(audit["round_trip"]),
        f"{measured['audit_seconds']:.1f}",
        "passed" if audit["passed"] else "; ".join(audit["objections"]),
    ]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1g}"


def _line(texts: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(text.replace('|', '/') for text in texts)} |"


if __name__ == "__main__":
    main()
