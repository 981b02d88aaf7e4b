"""The options of engines, on the command line or in a YAML file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class EngineOptions(BaseModel):
    """What all engines have.

    Attributes:
        cpus: Number of CPU cores of a cell.
        gpus: Number of GPUs of a cell.
        retries: How often a cell is started again whose worker died.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cpus: Annotated[int, Field(ge=1, le=4096)] = 1
    gpus: Annotated[int, Field(ge=0, le=64)] = 0
    retries: Annotated[int, Field(ge=0, le=100)] = 2


class RayOptions(EngineOptions):
    """Options of ``ray``.

    Attributes:
        address: Address of a cluster, ``HOST:PORT``, or ``auto`` on one of its machines; None for an
            instance on this machine, which ends with the command.
    """

    address: Annotated[str, Field(min_length=1)] | None = None


class SlurmOptions(EngineOptions):
    """Options of ``slurm``.

    Attributes:
        partition: The partition; None for the cluster's default.
        minutes: Time limit of a job.
        memory_gb: Memory of a job in GB; None for the cluster's default.
        account: Account that is charged; None for the user's default.
        setup: Lines of shell that a job runs first, such as ``module load cuda``.
        sbatch: More options of ``sbatch``, by their long names.
        cluster: ``local`` runs the jobs on this machine, without Slurm, to try a suite out.
    """

    partition: Annotated[str, Field(min_length=1)] | None = None
    minutes: Annotated[int, Field(ge=1, le=60 * 24 * 365)] = 60
    memory_gb: Annotated[float, Field(gt=0, strict=False)] | None = None
    account: Annotated[str, Field(min_length=1)] | None = None
    setup: list[str] = []
    sbatch: dict[str, Any] = {}
    cluster: Literal["slurm", "local"] = "slurm"
