"""Everything that plugins may import from flowzoo; :data:`API_VERSION` is its version.

Names are imported when they are first used: a plugin's hook module that takes ``hookimpl``, ``Component``,
``Check`` and ``Spec`` from here imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowzoo.bench.metrics.evaluation_batch import BatchSize as BatchSize
    from flowzoo.bench.metrics.evaluation_batch import EvaluationBatch as EvaluationBatch
    from flowzoo.bench.metrics.evaluation_batch import Exact as Exact
    from flowzoo.bench.metrics.resident_memory import measure_growth as measure_growth
    from flowzoo.bench.metrics.timing import Repetitions as Repetitions
    from flowzoo.bench.metrics.timing import Seconds as Seconds
    from flowzoo.bench.metrics.timing import Speed as Speed
    from flowzoo.bench.metrics.timing import measure_speed as measure_speed
    from flowzoo.bench.metrics.training_steps import StepSize as StepSize
    from flowzoo.bench.metrics.training_steps import TrainingSteps as TrainingSteps
    from flowzoo.bench.metrics.training_steps import last_steps as last_steps
    from flowzoo.bench.metrics.training_steps import nothing_trains as nothing_trains
    from flowzoo.bijector import ConditionalBijector as ConditionalBijector
    from flowzoo.bijector import Phase as Phase
    from flowzoo.bijector import standard_normal_log_prob as standard_normal_log_prob
    from flowzoo.builtin.actnorm import ActNorm as ActNorm
    from flowzoo.builtin.block_mean import BlockMean as BlockMean
    from flowzoo.builtin.first_pass import FirstPass as FirstPass
    from flowzoo.builtin.identity import IdentityBijector as IdentityBijector
    from flowzoo.builtin.identity import IdentityTransform as IdentityTransform
    from flowzoo.builtin.keep_nothing import KeepNothing as KeepNothing
    from flowzoo.builtin.linear_contributions import linear_contributions as linear_contributions
    from flowzoo.builtin.log_det import constant_log_det as constant_log_det
    from flowzoo.builtin.log_det import log_det_dtype as log_det_dtype
    from flowzoo.builtin.log_det import widest_dtype as widest_dtype
    from flowzoo.builtin.squeeze import Squeeze as Squeeze
    from flowzoo.builtin.squeezed import Squeezed as Squeezed
    from flowzoo.builtin.squeezed import squeezed_view as squeezed_view
    from flowzoo.builtin.stack import Stack as Stack
    from flowzoo.builtin.standardise import Standardise as Standardise
    from flowzoo.calibration import PILOT_DRAWS as PILOT_DRAWS
    from flowzoo.call import EVALUATION as EVALUATION
    from flowzoo.call import Call as Call
    from flowzoo.call import Ledger as Ledger
    from flowzoo.call import per_image_generators as per_image_generators
    from flowzoo.cascade import CascadeOptions as CascadeOptions
    from flowzoo.cascade import cascade_model as cascade_model
    from flowzoo.cli.console import print_whole as print_whole
    from flowzoo.cli.console import say as say
    from flowzoo.cli.console import table as table
    from flowzoo.cli.progress import counting_each as counting_each
    from flowzoo.component import Added as Added
    from flowzoo.component import BijectorSpec as BijectorSpec
    from flowzoo.component import Builder as Builder
    from flowzoo.component import Check as Check
    from flowzoo.component import Component as Component
    from flowzoo.component import FilePlace as FilePlace
    from flowzoo.component import Kind as Kind
    from flowzoo.component import NetworkSpec as NetworkSpec
    from flowzoo.component import Published as Published
    from flowzoo.component import Spec as Spec
    from flowzoo.component import SplitSpec as SplitSpec
    from flowzoo.component import TransformSpec as TransformSpec
    from flowzoo.data.batches import ShuffledBatches as ShuffledBatches
    from flowzoo.data.batches import sequential_batches as sequential_batches
    from flowzoo.data.batches import spread as spread
    from flowzoo.data.dataset import Dataset as Dataset
    from flowzoo.data.dataset import DatasetInfo as DatasetInfo
    from flowzoo.data.dataset import ImageSource as ImageSource
    from flowzoo.data.decoded import decoded_in_memory as decoded_in_memory
    from flowzoo.data.flips import Flips as Flips
    from flowzoo.data.load import load_dataset as load_dataset
    from flowzoo.data.locate import Opened as Opened
    from flowzoo.data.locate import open_images as open_images
    from flowzoo.data.memory import in_memory as in_memory
    from flowzoo.data.on_disk import DecodedImages as DecodedImages
    from flowzoo.data.on_disk import decode_all as decode_all
    from flowzoo.data.on_disk import hold_out as hold_out
    from flowzoo.data.on_disk import on_disk as on_disk
    from flowzoo.data.on_disk import shuffled as shuffled
    from flowzoo.data.split_names import TEST as TEST
    from flowzoo.data.split_names import TRAIN as TRAIN
    from flowzoo.data.split_names import VALIDATION as VALIDATION
    from flowzoo.data.stored import ImageFiles as ImageFiles
    from flowzoo.data.stored import Prepare as Prepare
    from flowzoo.data.stored import StoredImages as StoredImages
    from flowzoo.data.stored import cut_and_scaled as cut_and_scaled
    from flowzoo.data.stored import exactly as exactly
    from flowzoo.dequantisation import Dequantisation as Dequantisation
    from flowzoo.dequantisation import dequantise as dequantise
    from flowzoo.dequantisation import quantise as quantise
    from flowzoo.errors import DataError as DataError
    from flowzoo.errors import FlowzooError as FlowzooError
    from flowzoo.errors import NotInitialisedError as NotInitialisedError
    from flowzoo.errors import NumericalError as NumericalError
    from flowzoo.errors import OptionError as OptionError
    from flowzoo.errors import PartError as PartError
    from flowzoo.errors import PluginError as PluginError
    from flowzoo.errors import SavedModelError as SavedModelError
    from flowzoo.errors import ShapeError as ShapeError
    from flowzoo.errors import UnknownNameError as UnknownNameError
    from flowzoo.errors import did_you_mean as did_you_mean
    from flowzoo.evaluation.density.outcome import DensityAudit as DensityAudit
    from flowzoo.evaluation.labels import GivenClass as GivenClass
    from flowzoo.evaluation.labels import evaluate_given_class as evaluate_given_class
    from flowzoo.evaluation.labels import has_labels as has_labels
    from flowzoo.evaluation.likelihood import EXACT_UP_TO as EXACT_UP_TO
    from flowzoo.evaluation.likelihood import Likelihood as Likelihood
    from flowzoo.evaluation.likelihood import evaluate_likelihood as evaluate_likelihood
    from flowzoo.evaluation.notes import stated as stated
    from flowzoo.evaluation.observer import Observer as Observer
    from flowzoo.evaluation.pilot import calibrate_on_pilot as calibrate_on_pilot
    from flowzoo.exactness import Exactness as Exactness
    from flowzoo.experiment.training_options import TrainingOptions as TrainingOptions
    from flowzoo.experiment.training_options import parse_training_options as parse_training_options
    from flowzoo.flow import Flow as Flow
    from flowzoo.flow_values import HIGHEST_TEMPERATURE as HIGHEST_TEMPERATURE
    from flowzoo.hooks import API_VERSION as API_VERSION
    from flowzoo.hooks import hookimpl as hookimpl
    from flowzoo.integers import as_integer as as_integer
    from flowzoo.integers import positive_integer as positive_integer
    from flowzoo.level import Level as Level
    from flowzoo.loading import load_model as load_model
    from flowzoo.loading import load_subject as load_subject
    from flowzoo.metric import Better as Better
    from flowzoo.metric import Measurement as Measurement
    from flowzoo.metric import Metric as Metric
    from flowzoo.metric import Trained as Trained
    from flowzoo.network import Network as Network
    from flowzoo.network import Prepared as Prepared
    from flowzoo.network import Time as Time
    from flowzoo.ood.detect import Against as Against
    from flowzoo.ood.detect import detect_ood as detect_ood
    from flowzoo.part_list import PartList as PartList
    from flowzoo.pictures import save_grid as save_grid
    from flowzoo.plots import check_plot as check_plot
    from flowzoo.plots import new_figure as new_figure
    from flowzoo.plots import write_figure as write_figure
    from flowzoo.runfolder import RunFolder as RunFolder
    from flowzoo.seeds import check_seed as check_seed
    from flowzoo.shapes import Images as Images
    from flowzoo.shapes import IntegerImages as IntegerImages
    from flowzoo.shapes import PerImage as PerImage
    from flowzoo.shapes import Shape as Shape
    from flowzoo.shapes import as_shape as as_shape
    from flowzoo.shapes import require_even as require_even
    from flowzoo.solving import Solving as Solving
    from flowzoo.split import SplitPolicy as SplitPolicy
    from flowzoo.tensors import floating_dtype as floating_dtype
    from flowzoo.tensors import is_exporting as is_exporting
    from flowzoo.tensors import parameters_of as parameters_of
    from flowzoo.tensors import trainable as trainable
    from flowzoo.training.stage import Stage as Stage
    from flowzoo.training.stage import plan_stages as plan_stages
    from flowzoo.training.step import TrainingStep as TrainingStep
    from flowzoo.traits import BijectorTraits as BijectorTraits
    from flowzoo.traits import TransformTraits as TransformTraits
    from flowzoo.traits import merged as merged
    from flowzoo.transform import ResolutionTransform as ResolutionTransform
    from flowzoo.warm_start import WarmStart as WarmStart

_HOMES = {
    "ActNorm": "flowzoo.builtin.actnorm",
    "Added": "flowzoo.component",
    "Against": "flowzoo.ood.detect",
    "API_VERSION": "flowzoo.hooks",
    "as_integer": "flowzoo.integers",
    "as_shape": "flowzoo.shapes",
    "BatchSize": "flowzoo.bench.metrics.evaluation_batch",
    "Better": "flowzoo.metric",
    "BijectorSpec": "flowzoo.component",
    "BijectorTraits": "flowzoo.traits",
    "BlockMean": "flowzoo.builtin.block_mean",
    "Builder": "flowzoo.component",
    "calibrate_on_pilot": "flowzoo.evaluation.pilot",
    "Call": "flowzoo.call",
    "cascade_model": "flowzoo.cascade",
    "CascadeOptions": "flowzoo.cascade",
    "Check": "flowzoo.component",
    "check_plot": "flowzoo.plots",
    "check_seed": "flowzoo.seeds",
    "Component": "flowzoo.component",
    "ConditionalBijector": "flowzoo.bijector",
    "constant_log_det": "flowzoo.builtin.log_det",
    "counting_each": "flowzoo.cli.progress",
    "cut_and_scaled": "flowzoo.data.stored",
    "DataError": "flowzoo.errors",
    "Dataset": "flowzoo.data.dataset",
    "DatasetInfo": "flowzoo.data.dataset",
    "decode_all": "flowzoo.data.on_disk",
    "decoded_in_memory": "flowzoo.data.decoded",
    "DecodedImages": "flowzoo.data.on_disk",
    "DensityAudit": "flowzoo.evaluation.density.outcome",
    "Dequantisation": "flowzoo.dequantisation",
    "dequantise": "flowzoo.dequantisation",
    "detect_ood": "flowzoo.ood.detect",
    "did_you_mean": "flowzoo.errors",
    "evaluate_given_class": "flowzoo.evaluation.labels",
    "evaluate_likelihood": "flowzoo.evaluation.likelihood",
    "EVALUATION": "flowzoo.call",
    "EvaluationBatch": "flowzoo.bench.metrics.evaluation_batch",
    "Exact": "flowzoo.bench.metrics.evaluation_batch",
    "EXACT_UP_TO": "flowzoo.evaluation.likelihood",
    "exactly": "flowzoo.data.stored",
    "Exactness": "flowzoo.exactness",
    "FilePlace": "flowzoo.component",
    "FirstPass": "flowzoo.builtin.first_pass",
    "Flips": "flowzoo.data.flips",
    "floating_dtype": "flowzoo.tensors",
    "Flow": "flowzoo.flow",
    "FlowzooError": "flowzoo.errors",
    "GivenClass": "flowzoo.evaluation.labels",
    "has_labels": "flowzoo.evaluation.labels",
    "HIGHEST_TEMPERATURE": "flowzoo.flow_values",
    "hold_out": "flowzoo.data.on_disk",
    "hookimpl": "flowzoo.hooks",
    "IdentityBijector": "flowzoo.builtin.identity",
    "IdentityTransform": "flowzoo.builtin.identity",
    "ImageFiles": "flowzoo.data.stored",
    "Images": "flowzoo.shapes",
    "ImageSource": "flowzoo.data.dataset",
    "in_memory": "flowzoo.data.memory",
    "IntegerImages": "flowzoo.shapes",
    "is_exporting": "flowzoo.tensors",
    "KeepNothing": "flowzoo.builtin.keep_nothing",
    "Kind": "flowzoo.component",
    "last_steps": "flowzoo.bench.metrics.training_steps",
    "Ledger": "flowzoo.call",
    "Level": "flowzoo.level",
    "Likelihood": "flowzoo.evaluation.likelihood",
    "linear_contributions": "flowzoo.builtin.linear_contributions",
    "load_dataset": "flowzoo.data.load",
    "load_model": "flowzoo.loading",
    "load_subject": "flowzoo.loading",
    "log_det_dtype": "flowzoo.builtin.log_det",
    "measure_growth": "flowzoo.bench.metrics.resident_memory",
    "measure_speed": "flowzoo.bench.metrics.timing",
    "Measurement": "flowzoo.metric",
    "merged": "flowzoo.traits",
    "Metric": "flowzoo.metric",
    "Network": "flowzoo.network",
    "NetworkSpec": "flowzoo.component",
    "new_figure": "flowzoo.plots",
    "nothing_trains": "flowzoo.bench.metrics.training_steps",
    "NotInitialisedError": "flowzoo.errors",
    "NumericalError": "flowzoo.errors",
    "Observer": "flowzoo.evaluation.observer",
    "on_disk": "flowzoo.data.on_disk",
    "open_images": "flowzoo.data.locate",
    "Opened": "flowzoo.data.locate",
    "OptionError": "flowzoo.errors",
    "parameters_of": "flowzoo.tensors",
    "parse_training_options": "flowzoo.experiment.training_options",
    "PartError": "flowzoo.errors",
    "PartList": "flowzoo.part_list",
    "per_image_generators": "flowzoo.call",
    "PerImage": "flowzoo.shapes",
    "Phase": "flowzoo.bijector",
    "PILOT_DRAWS": "flowzoo.calibration",
    "plan_stages": "flowzoo.training.stage",
    "PluginError": "flowzoo.errors",
    "positive_integer": "flowzoo.integers",
    "Prepare": "flowzoo.data.stored",
    "Prepared": "flowzoo.network",
    "print_whole": "flowzoo.cli.console",
    "Published": "flowzoo.component",
    "quantise": "flowzoo.dequantisation",
    "Repetitions": "flowzoo.bench.metrics.timing",
    "require_even": "flowzoo.shapes",
    "ResolutionTransform": "flowzoo.transform",
    "RunFolder": "flowzoo.runfolder",
    "save_grid": "flowzoo.pictures",
    "SavedModelError": "flowzoo.errors",
    "say": "flowzoo.cli.console",
    "Seconds": "flowzoo.bench.metrics.timing",
    "sequential_batches": "flowzoo.data.batches",
    "Shape": "flowzoo.shapes",
    "ShapeError": "flowzoo.errors",
    "shuffled": "flowzoo.data.on_disk",
    "ShuffledBatches": "flowzoo.data.batches",
    "Solving": "flowzoo.solving",
    "Spec": "flowzoo.component",
    "Speed": "flowzoo.bench.metrics.timing",
    "SplitPolicy": "flowzoo.split",
    "SplitSpec": "flowzoo.component",
    "spread": "flowzoo.data.batches",
    "Squeeze": "flowzoo.builtin.squeeze",
    "Squeezed": "flowzoo.builtin.squeezed",
    "squeezed_view": "flowzoo.builtin.squeezed",
    "Stack": "flowzoo.builtin.stack",
    "Stage": "flowzoo.training.stage",
    "standard_normal_log_prob": "flowzoo.bijector",
    "Standardise": "flowzoo.builtin.standardise",
    "stated": "flowzoo.evaluation.notes",
    "StepSize": "flowzoo.bench.metrics.training_steps",
    "StoredImages": "flowzoo.data.stored",
    "table": "flowzoo.cli.console",
    "TEST": "flowzoo.data.split_names",
    "Time": "flowzoo.network",
    "TRAIN": "flowzoo.data.split_names",
    "trainable": "flowzoo.tensors",
    "Trained": "flowzoo.metric",
    "TrainingOptions": "flowzoo.experiment.training_options",
    "TrainingStep": "flowzoo.training.step",
    "TrainingSteps": "flowzoo.bench.metrics.training_steps",
    "TransformSpec": "flowzoo.component",
    "TransformTraits": "flowzoo.traits",
    "UnknownNameError": "flowzoo.errors",
    "VALIDATION": "flowzoo.data.split_names",
    "WarmStart": "flowzoo.warm_start",
    "widest_dtype": "flowzoo.builtin.log_det",
    "write_figure": "flowzoo.plots",
}

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"flowzoo.api has no '{name}'; it has {', '.join(_HOMES)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
