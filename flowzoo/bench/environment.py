"""The machine and the software of a cell."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

import flowzoo
from flowzoo.bench.result import Environment
from flowzoo.registry.provenance import Provenance


def describe_environment(
    device: torch.device, precision: str, jobs: int, made_with: Provenance
) -> Environment:
    """Return the machine, versions and settings of figures that are measured in this process.

    Args:
        device: Device that computes.
        precision: Number format of training.
        jobs: Largest number of cells that run at the same time.
        made_with: Versions and code of the cell's components, as installed.
    """
    return Environment(
        device=str(device),
        hardware=_hardware(device),
        precision=precision,
        threads=torch.get_num_threads(),
        jobs=jobs,
        versions={
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "flowzoo": flowzoo.__version__,
            "numpy": metadata.version("numpy"),
        },
        plugins={each: made_with.version(each) for each in dict.fromkeys(made_with.owners.values())},
        commit=source_commit(Path(flowzoo.__file__).parent),
        fingerprints=dict(made_with.fingerprints),
    )


def source_commit(folder: Path) -> str:
    """Return the commit of the git checkout that holds ``folder``; empty if there is none.

    Args:
        folder: Folder of the flowzoo package. A checkout that only surrounds an installed package, such as
            a user's own project around its virtual environment, is not its source.
    """
    if "site-packages" in folder.parts:
        return ""
    commit = _git(folder, "rev-parse", "--short=12", "HEAD")
    if not commit:
        return ""
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", str(folder))
    return f"{commit}-dirty" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _hardware(device: torch.device) -> dict[str, Any]:
    found: dict[str, Any] = {
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_gib": _memory_gib(),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        found["gpu"] = properties.name
        found["gpu_memory_gib"] = round(properties.total_memory / 2**30, 1)
        found["cuda"] = torch.version.cuda
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None
