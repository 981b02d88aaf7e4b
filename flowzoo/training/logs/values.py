"""Names of what is logged: as columns, and as charts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flowzoo.training.stage import ALL_LEVELS, LIKELIHOOD

COLUMNS = (
    "seconds",
    "images",
    "stage",
    "objective",
    "loss",
    "learning_rate",
    "gradient_norm",
    "images_per_second",
    "validation_bits_per_dim",
    "validation_standard_error",
    "adversarial_loss",
    "discriminator_loss",
    "adversarial_gradient_norm",
)
"""What writers get of a record of the run's own log, by its names there."""

_CHARTS = {
    "seconds": "training/seconds",
    "images": "training/images",
    "learning_rate": "training/learning_rate",
    "gradient_norm": "training/gradient_norm",
    "images_per_second": "training/images_per_second",
    "validation_standard_error": "validation/standard_error",
    "adversarial_loss": "training/adversarial_loss",
    "discriminator_loss": "training/discriminator_loss",
    "adversarial_gradient_norm": "training/adversarial_gradient_norm",
}


def values_of(record: Mapping[str, Any]) -> dict[str, float | str]:
    """Return what writers get of a record of the run's own log; its step comes apart."""
    return {name: record[name] for name in COLUMNS if name in record}


def charts_of(values: Mapping[str, float | str]) -> dict[str, float]:
    """Return the numbers among the values by the names of their charts.

    Losses of different objectives have different units, so each has a chart of its own. So have the
    levels of a model that trains them one after another.

    >>> charts_of({"loss": 0.5, "objective": "flow-matching", "stage": "all levels"})
    {'training/loss_flow-matching': 0.5}
    >>> charts_of({"validation_bits_per_dim": 2.0, "stage": "level 1, likelihood"})
    {'validation/bits_per_dim_level_1': 2.0}
    """
    part = str(values.get("stage", ALL_LEVELS)).split(",")[0]
    end = "" if part == ALL_LEVELS else f"_{_word(part)}"
    objective = str(values.get("objective", LIKELIHOOD))
    loss = "bits_per_dim" if objective == LIKELIHOOD else f"loss_{_word(objective)}"
    names = {
        **_CHARTS,
        "loss": f"training/{loss}{end}",
        "validation_bits_per_dim": f"validation/bits_per_dim{end}",
    }
    return {names[name]: value for name, value in values.items() if not isinstance(value, str)}


def _word(text: str) -> str:
    return re.sub(r"[^\w.-]+", "_", text)
