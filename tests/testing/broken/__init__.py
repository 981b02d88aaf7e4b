"""Sound components of every kind, and what can be broken in each so that one of its checks has to find it."""

from __future__ import annotations

from tests.testing.broken.bijectors import BIJECTOR
from tests.testing.broken.commands import COMMAND
from tests.testing.broken.datasets import DATASET, OPTIONAL_DATASET
from tests.testing.broken.dequantisations import DEQUANTISATION
from tests.testing.broken.example import Break, Example
from tests.testing.broken.metrics import METRIC
from tests.testing.broken.models import MODEL, REGISTERED_MODEL
from tests.testing.broken.networks import NETWORK
from tests.testing.broken.splits import SPLIT
from tests.testing.broken.suites import SUITE
from tests.testing.broken.transforms import STOCHASTIC, TRANSFORM

__all__ = ["EXAMPLES", "Break", "Example"]

EXAMPLES = {
    "bijector": BIJECTOR,
    "transform": TRANSFORM,
    "stochastic transform": STOCHASTIC,
    "split": SPLIT,
    "network": NETWORK,
    "dequantisation": DEQUANTISATION,
    "model": MODEL,
    "registered model": REGISTERED_MODEL,
    "dataset": DATASET,
    "data set with options": OPTIONAL_DATASET,
    "suite": SUITE,
    "metric": METRIC,
    "command": COMMAND,
}
