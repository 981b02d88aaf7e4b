"""What all tests share, the plugins' included."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch
from hypothesis import settings

from tests import checked_calls

_ROOT = Path(__file__).parent

# Array shapes are checked at run time wherever arrays are handled, in the first calls of each test.
jaxtyping.install_import_hook(
    [
        "flowzoo.bench.metrics",
        "flowzoo.bijector",
        "flowzoo.builtin",
        "flowzoo.data",
        "flowzoo.dequantisation",
        "flowzoo.evaluation",
        "flowzoo.flow",
        "flowzoo.level",
        "flowzoo.network",
        "flowzoo.scaling",
        "flowzoo.scoring",
        "flowzoo.split",
        "flowzoo.transform",
        "flowzoo.units",
        *(each.name for each in _ROOT.glob("plugins/*/src/flowzoo_*")),
    ],
    "tests.checked_calls.first_calls",
)

# A shell's background jobs ignore Ctrl-C, and the programs that tests start and interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is.
settings.register_profile("flowzoo", deadline=None)
settings.load_profile("flowzoo")

# The tensors are tiny, so a second thread waits more than it works, even more if other processes compute. The
# same is true of programs that tests start.
torch.set_num_threads(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")

ALLOWED_SKIPS = {
    "[dataset-celeba64-": "no Debian package has the files; tests/data/test_public_datasets.py makes some up",
    "[dataset-cifar10-": "no Debian package has the files; tests/data/test_public_datasets.py makes some up",
    "[dataset-svhn-": "no Debian package has the files; tests/data/test_public_datasets.py makes some up",
    "[dataset-imagenet": "no Debian package has the files; tests/data/test_public_datasets.py makes some up",
    "[dataset-images-": "they are the user's own files; tests/data/test_images.py makes some up",
    "[dataset-wallpapers-": "needs unpacked packages; tests/data/test_wallpapers.py makes some up",
    "peak memory cannot be reset here": "a container may forbid writing /proc/self/clear_refs",
    "this processor cannot flush denormals": "not every processor can",
    "the extra ray is not installed": "Ray has no wheel for every Python",
    "export needs torch 2.7": "the lowest supported version is 2.6",
}
"""Tests that ``--no-skips`` lets be skipped: a part of the test's id and reason, and why it cannot run."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let ``make test-all`` check all mixtures and calls, and ``.ci/run`` refuse skipped tests."""
    parser.addoption(
        "--whole-kit",
        action="store_true",
        help="run the whole kit on every mixture, check the shapes of every call",
    )
    parser.addoption("--no-skips", action="store_true", help="fail where a test is skipped")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Check shapes from the test's first fixture on."""
    checked_calls.allow(math.inf if item.config.getoption("--whole-kit") else checked_calls.CALLS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Refuse the skipping of a test."""
    report = yield
    return _without_skip(item.config, report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Refuse the skipping of a whole file."""
    report = yield
    return _without_skip(collector.config, report)


def _without_skip(config: pytest.Config, report: Any) -> Any:
    """Return the report, which becomes a failure where ``--no-skips`` does not let the test be skipped."""
    if not config.getoption("--no-skips") or not report.skipped or hasattr(report, "wasxfail"):
        return report
    _, _, reason = report.longrepr
    skipped = f"{report.nodeid}: {reason}"
    if not any(allowed in skipped for allowed in ALLOWED_SKIPS):
        report.outcome = "failed"
        report.longrepr = f"skipped, which --no-skips does not allow ({reason})"
    return report


@pytest.fixture(autouse=True, scope="session")
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests' floors out of the user's cache, and out of what the tests find."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOWZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def denormals_as_usual() -> Iterator[None]:
    """Undo the flushing of denormals that training turns on; hypothesis refuses to draw floats under it."""
    yield
    torch.set_flush_denormal(False)
