"""A plugin-based zoo of multi-scale normalising flows for images.

>>> import flowzoo
>>> model = flowzoo.create_model("gaussian", image_shape=(1, 8, 8))

Names are imported when they are first used, so ``import flowzoo`` is fast and imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowzoo.call import Call as Call
    from flowzoo.coding.archive import compress as compress
    from flowzoo.coding.archive import decompress as decompress
    from flowzoo.data.dataset import Dataset as Dataset
    from flowzoo.data.load import load_dataset as load_dataset
    from flowzoo.dequantisation import dequantise as dequantise
    from flowzoo.errors import DataError as DataError
    from flowzoo.errors import ExportError as ExportError
    from flowzoo.errors import FlowzooError as FlowzooError
    from flowzoo.errors import HubError as HubError
    from flowzoo.errors import NotInitialisedError as NotInitialisedError
    from flowzoo.errors import NumericalError as NumericalError
    from flowzoo.errors import OptionError as OptionError
    from flowzoo.errors import PluginError as PluginError
    from flowzoo.errors import SavedModelError as SavedModelError
    from flowzoo.errors import ShapeError as ShapeError
    from flowzoo.errors import UnknownNameError as UnknownNameError
    from flowzoo.evaluation.report import Evaluation as Evaluation
    from flowzoo.evaluation.report import evaluate as evaluate
    from flowzoo.flow import Flow as Flow
    from flowzoo.latents.inpainting import inpaint as inpaint
    from flowzoo.latents.interpolation import interpolate as interpolate
    from flowzoo.latents.reconstruction import reconstruct as reconstruct
    from flowzoo.latents.unfolding import unfold as unfold
    from flowzoo.loading import load_model as load_model
    from flowzoo.ood.detect import Detection as Detection
    from flowzoo.ood.detect import detect_ood as detect_ood
    from flowzoo.registry.listing import list_models as list_models
    from flowzoo.registry.models import ModelInfo as ModelInfo
    from flowzoo.registry.models import create_model as create_model
    from flowzoo.registry.models import model_info as model_info
    from flowzoo.registry.pretrained import list_pretrained as list_pretrained
    from flowzoo.registry.saving import save_model as save_model
    from flowzoo.scaling import downscale as downscale
    from flowzoo.scaling import project as project
    from flowzoo.scaling import upscale as upscale
    from flowzoo.sharing.export import export_model as export_model
    from flowzoo.sharing.push import push_model as push_model
    from flowzoo.training.train import train as train

__version__ = "0.1.0"

_HOMES = {
    "DataError": "flowzoo.errors",
    "Dataset": "flowzoo.data.dataset",
    "Evaluation": "flowzoo.evaluation.report",
    "Flow": "flowzoo.flow",
    "ExportError": "flowzoo.errors",
    "FlowzooError": "flowzoo.errors",
    "HubError": "flowzoo.errors",
    "ModelInfo": "flowzoo.registry.models",
    "NotInitialisedError": "flowzoo.errors",
    "NumericalError": "flowzoo.errors",
    "OptionError": "flowzoo.errors",
    "PluginError": "flowzoo.errors",
    "Call": "flowzoo.call",
    "SavedModelError": "flowzoo.errors",
    "ShapeError": "flowzoo.errors",
    "UnknownNameError": "flowzoo.errors",
    "compress": "flowzoo.coding.archive",
    "create_model": "flowzoo.registry.models",
    "decompress": "flowzoo.coding.archive",
    "Detection": "flowzoo.ood.detect",
    "dequantise": "flowzoo.dequantisation",
    "detect_ood": "flowzoo.ood.detect",
    "downscale": "flowzoo.scaling",
    "evaluate": "flowzoo.evaluation.report",
    "export_model": "flowzoo.sharing.export",
    "inpaint": "flowzoo.latents.inpainting",
    "interpolate": "flowzoo.latents.interpolation",
    "list_models": "flowzoo.registry.listing",
    "list_pretrained": "flowzoo.registry.pretrained",
    "load_dataset": "flowzoo.data.load",
    "load_model": "flowzoo.loading",
    "model_info": "flowzoo.registry.models",
    "project": "flowzoo.scaling",
    "push_model": "flowzoo.sharing.push",
    "reconstruct": "flowzoo.latents.reconstruction",
    "save_model": "flowzoo.registry.saving",
    "train": "flowzoo.training.train",
    "unfold": "flowzoo.latents.unfolding",
    "upscale": "flowzoo.scaling",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'flowzoo' has no attribute '{name}'")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
