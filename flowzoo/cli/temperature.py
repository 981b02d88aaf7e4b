"""``--temperature``: one number for all levels, or one for each."""

from __future__ import annotations

from typing import Annotated

import typer

from flowzoo.errors import OptionError

TemperatureOption = Annotated[
    str,
    typer.Option(
        "--temperature",
        help="Sampling temperature: one number, or one for each level, coarsest first, as in 1,0.8,0.8. "
        "Lower values give less varied images.",
    ),
]


def parse_temperature(text: str) -> float | list[float]:
    """Return what :meth:`flowzoo.flow.Flow.sample` takes as its temperature.

    Raises:
        OptionError: The text holds no numbers.
    """
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(
            f"--temperature is '{text}'. Give a number, or one for each level, coarsest first, as in 1,0.8"
        ) from error
    return found if len(found) > 1 else found[0]
