"""What every process of these tests imports; the one that they are copied from does it once, for all."""

import importlib

from flowzoo.registry.loader import default_registry

for name in (
    "flowzoo_cnf.cnf",
    "flowzoo_coupling.coupling",
    "sklearn.datasets",
    "flowzoo.cli.training_progress",
    "flowzoo.training.resume",
    "flowzoo.training.start",
    "flowzoo.training.together.follower",
):
    importlib.import_module(name)
default_registry()
