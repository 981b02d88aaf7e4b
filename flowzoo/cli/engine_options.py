"""The options of commands that run cells through an engine."""

from __future__ import annotations

from typing import Annotated

import typer

EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help="Where cells run: local, ray, slurm, or a YAML file with 'engine' and its options.",
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Ray: address of a cluster, as HOST:PORT, or auto on one of its machines.",
        show_default="an instance on this machine",
    ),
]
CpusOption = Annotated[
    int | None, typer.Option("--cpus", help="Ray, Slurm: CPU cores of a cell.", show_default="1")
]
GpusOption = Annotated[
    int | None, typer.Option("--gpus", help="Ray, Slurm: GPUs of a cell.", show_default="0")
]
RetriesOption = Annotated[
    int | None,
    typer.Option(
        "--retries",
        help="Ray, Slurm: number of times that a cell is started again after its worker died.",
        show_default="2",
    ),
]
PartitionOption = Annotated[
    str | None,
    typer.Option("--partition", help="Slurm: the partition.", show_default="the cluster's default"),
]
MinutesOption = Annotated[
    int | None,
    typer.Option("--minutes", help="Slurm: time limit of a cell's job in minutes.", show_default="60"),
]
