"""What all tests share, the plugins' included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

# The tensors are tiny: a second thread waits more than it works, and much more beside other processes.
torch.set_num_threads(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let ``make test-all`` run all of the kit on every mixture of components."""
    parser.addoption("--whole-kit", action="store_true", help="run the whole kit in tests/test_mixing.py")


@pytest.fixture(autouse=True)
def denormals_as_usual() -> Iterator[None]:
    """Undo the flushing of denormals that training turns on; hypothesis refuses to draw floats under it."""
    yield
    torch.set_flush_denormal(False)
