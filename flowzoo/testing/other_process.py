"""Loads a data set in another process, where sets of text have another order."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from flowzoo.testing.contents import read_contents
from flowzoo.testing.result import CheckFailed
from flowzoo.testing.trial import Trial, trial_of

_SECONDS = 1800.0

_PROGRAM = "import sys; from flowzoo.testing.other_process import main; main(sys.argv[1])"


def digests_in_another_process(trial: Trial) -> dict[str, list[str]]:
    """Return the digests of each split's images, and the revision, as another process computes them.

    Raises:
        CheckFailed: The data set cannot be loaded there.
    """
    asked = json.dumps({"name": trial.name or trial.component.name, "options": dict(trial.check.options)})
    around = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(each for each in sys.path if each),
        "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, asked],
        capture_output=True,
        text=True,
        env=around,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise CheckFailed(f"it cannot be loaded in another process: {said[-1]}")
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(asked: str) -> None:
    """Print the digests of a data set's images as JSON, in the last line."""
    given = json.loads(asked)
    dataset = trial_of("dataset", given["name"], **given["options"]).build()
    digests = {split: [each.hex() for each in held.digests] for split, held in read_contents(dataset).items()}
    print(json.dumps({**digests, "revision": [dataset.info.revision]}))
