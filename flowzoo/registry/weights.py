"""The weights of a model under the names of its recipe, even if parts have been wrapped since."""

from __future__ import annotations

from operator import attrgetter

from torch import Tensor

from flowzoo.errors import SavedModelError
from flowzoo.flow import Flow

_WRAPPERS = ("_orig_mod", "module")
"""Names of the wrapped module in torch.compile and torch's parallel wrappers."""

_PARAMETRIZED = "parametrizations"
"""Name of the module in which torch.nn.utils.parametrize keeps the sources of a tensor."""


def weights_of(flow: Flow) -> dict[str, Tensor]:
    """Return the tensors to save: those of ``state_dict``, by the names that the recipe's model has.

    A compiled part keeps its names. For a parametrised tensor, such as one with weight normalisation, the
    value is saved, so that the loaded model computes the same.

    Raises:
        SavedModelError: The model has other tensors than its recipe builds: a part was replaced by one that
            was made otherwise, or wrapped by something unknown; or it is on the device ``meta``.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in flow.state_dict().items():
        plain = _unwrapped(name)
        before, parametrized, after = plain.partition(f".{_PARAMETRIZED}.")
        if parametrized:
            path = name.partition(f".{_PARAMETRIZED}.")[0]
            attribute = after.partition(".")[0]
            plain, tensor = f"{before}.{attribute}", attrgetter(f"{path}.{attribute}")(flow)
        found[plain] = tensor.detach()
    if flow.layout is not None:
        _require_layout(found, flow.layout)
    if any(tensor.device.type == "meta" for tensor in found.values()):
        raise SavedModelError(
            "the model is on the device 'meta', which holds no values to save; load its weights first"
        )
    return found


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _require_layout(found: dict[str, Tensor], layout: dict[str, tuple[int, ...]]) -> None:
    advice = (
        "a part was replaced by one with other options, or wrapped; "
        "make the model with those options, or put the part back before saving"
    )
    for name, shape in layout.items():
        if name not in found:
            raise SavedModelError(f"the model lacks '{name}', which its recipe builds: {advice}")
        if tuple(found[name].shape) != shape:
            raise SavedModelError(
                f"the model's '{name}' has shape {tuple(found[name].shape)}, and its recipe builds {shape}: "
                f"{advice}"
            )
    unexpected = next((name for name in found if name not in layout), None)
    if unexpected is not None:
        raise SavedModelError(f"the model has '{unexpected}', which its recipe does not build: {advice}")
