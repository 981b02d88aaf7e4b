"""What all tests share, the plugins' included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

# The tensors are tiny: a second thread waits more than it works, and much more beside other processes.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def denormals_as_usual() -> Iterator[None]:
    """Undo the flushing of denormals that training turns on; hypothesis refuses to draw floats under it."""
    yield
    torch.set_flush_denormal(False)
