"""Chooses a device, and prepares it for computing."""

from __future__ import annotations

import torch

from flowzoo.errors import OptionError


def prepare_device(name: str | torch.device = "auto") -> torch.device:
    """Return a device, ready to compute on.

    On the CPU denormal numbers are flushed to zero from here on: small details produce them, and each can
    cost as much as a hundred ordinary ones. torch's other threads follow only if they start afterwards, so
    this comes before anything is computed.

    Args:
        name: ``auto`` (CUDA where there is one, else the CPU), ``cpu``, ``cuda``, ``cuda:1``, ``mps``, or a
            device of torch.

    Raises:
        OptionError: There is no such device here.
    """
    name = str(name)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.split(":")[0] not in ("cpu", "cuda", "mps"):
        raise OptionError(f"no device '{name}'; use --device auto, cpu, cuda, cuda:1 or mps")
    torch.set_flush_denormal(True)
    # By default torch rounds convolutions on CUDA to TF32; likelihoods are computed in float32.
    torch.backends.cudnn.allow_tf32 = False
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise OptionError(
            f"no device '{name}' here ({str(error).splitlines()[0]}); use --device cpu"
        ) from error
    return device
