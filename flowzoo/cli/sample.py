"""``flowzoo sample``: a picture of what a trained model draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flowzoo.errors import OptionError


def sample(
    run: Annotated[Path, typer.Argument(help="Run folder, as flowzoo train made it.")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=10_000, help="How many images.")] = 64,
    output: Annotated[Path, typer.Option("-o", "--output", help="PNG file to write.")] = Path("samples.png"),
    temperature: Annotated[
        str, typer.Option("--temperature", help="One number, or one a level, coarsest first: 1,0.8,0.8.")
    ] = "1",
    seed: Annotated[int, typer.Option("--seed", help="Makes the picture repeatable.")] = 0,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
) -> None:
    """Draw images from a trained run into one picture."""
    temperatures = _parse_temperature(temperature)
    from flowzoo.device import prepare_device
    from flowzoo.pictures import check_picture_path, save_grid
    from flowzoo.registry.saving import load_model
    from flowzoo.runfolder import RunFolder

    check_picture_path(output)
    folder = RunFolder(run)
    folder.read()
    flow = load_model(folder.model, device=str(prepare_device(device)))
    given = temperatures if len(temperatures) > 1 else temperatures[0]
    save_grid(flow.sample(count, temperature=given, seed=seed), output, flow.bins)
    typer.echo(f"wrote {output}")


def _parse_temperature(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(
            f"--temperature takes a number, or one a level, coarsest first, as in 1,0.8; got '{text}'"
        ) from error
