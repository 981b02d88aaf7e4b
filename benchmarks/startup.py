"""How long the parts take that must be quick: importing flowzoo, and listing the zoo.

    python benchmarks/startup.py

Prints the median of several fresh processes beside an empty one, and whether torch was imported.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

REPEATS = 11
CASES = {
    "python -c pass": "pass",
    "import flowzoo": "import flowzoo",
    "flowzoo list": "from flowzoo.cli.app import app; app(['list'], standalone_mode=False)",
    "import torch": "import torch",
}
REPORT = "\nimport sys; print('torch' in sys.modules, file=sys.stderr)"


def main() -> None:
    """Measure and print."""
    for name, code in CASES.items():
        command = [sys.executable, "-c", code + REPORT]
        seconds: list[float] = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds.append(time.perf_counter() - began)
        torch_imported = done.stderr.strip().splitlines()[-1]
        print(f"{name:16} {statistics.median(seconds) * 1000:7.0f} ms   torch imported: {torch_imported}")


if __name__ == "__main__":
    main()
