"""Where to compute."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush denormals")
def test_denormals_are_flushed_by_every_thread() -> None:
    script = (
        "import torch; from flowzoo.device import prepare_device; "
        "torch.set_num_threads(2); prepare_device('cpu'); "
        "x = torch.full((4_000_000,), 1e-30); print(int((x * 1e-10 != 0).sum()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
