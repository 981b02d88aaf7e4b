"""Counts the floating-point operations of a likelihood and of a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from flowzoo.bench.metrics.evaluation_batch import BatchSize, EvaluationBatch, Exact
from flowzoo.calibration import PILOT_DRAWS
from flowzoo.metric import Measurement, Metric, Trained

MEGA = 1e6


@dataclass(frozen=True, kw_only=True)
class LogProbFlops(Metric):
    """Floating-point operations of the likelihood of one image, the mean over a batch of test images.

    :func:`count_flops` says what is counted. As for ``log-prob-speed``, the draw of the noise is counted, and
    a continuous flow takes the steps that it found for the pilot images, which are not counted themselves.
    """

    batch_size: BatchSize = 10
    exact: Exact = None

    def measure(self, trained: Trained) -> Measurement:
        batch = EvaluationBatch(trained, self.batch_size, self.exact)
        counted = count_flops(batch.bits_per_dim)
        return _measurement(counted, self.batch_size, batch.conditions)


@dataclass(frozen=True, kw_only=True)
class SampleFlops(Metric):
    """Floating-point operations of one sample, the mean over a batch, at temperature 1.

    :func:`count_flops` says what is counted. A continuous flow takes the steps that it found for the first
    images that it drew, which are not counted themselves.
    """

    batch_size: BatchSize = 10

    def measure(self, trained: Trained) -> Measurement:
        flow = trained.flow
        pilot = PILOT_DRAWS if flow.calibrates else 0
        batches = flow.sample_batches(pilot + self.batch_size, seed=trained.seed, batch_size=self.batch_size)
        if pilot:
            next(batches)
        counted = count_flops(lambda: next(batches))
        return _measurement(counted, self.batch_size, {"temperature": 1.0})


def count_flops(act: Callable[[], object]) -> Mapping[str, int]:
    """Return the floating-point operations of a call, by the name of torch's operator.

    ``torch.utils.flop_counter.FlopCounterMode`` counts matrix products, convolutions and attention as if each
    had been computed directly from its definition; a multiplication and the addition that follows it are two
    operations. To these are added the linear systems that flows solve: ``2/3 n^3 + 2 n^2 k`` operations for
    ``k`` right-hand sides, and ``n^2 k`` if the matrix is triangular. Nothing else is counted: no sums, no
    functions of single values, no other decompositions of matrices, no random numbers.

    Operators are counted when they run, so what a solver evaluates is counted as often as it is evaluated,
    and Jacobian products, written by hand or by ``torch.func``, are counted with all their tangents. What
    ``torch.compile`` has compiled runs uncompiled here, since the counter cannot see into it.

    >>> a, b = torch.ones(2, 3), torch.ones(3, 5)
    >>> count_flops(lambda: a @ b)
    {'mm': 60}
    """
    aten = torch.ops.aten
    also = {
        aten._scaled_dot_product_flash_attention_for_cpu: _attention_flop,
        aten._linalg_solve_ex: _solve_flop,
        aten.linalg_solve_triangular: _triangular_solve_flop,
    }
    with (
        torch.compiler.set_stance("force_eager"),
        FlopCounterMode(display=False, custom_mapping=also) as counter,
    ):
        act()
    counts = counter.get_flop_counts().get("Global", {})
    return {str(operator).removeprefix("aten."): count for operator, count in sorted(counts.items(), key=str)}


def _attention_flop(query: torch.Size, key: torch.Size, value: torch.Size, *_: Any, **named: Any) -> int:
    return int(sdpa_flop_count(query, key, value))


def _triangular_solve_flop(of: torch.Size, right: torch.Size, **named: Any) -> int:
    return of[-1] * right.numel()


def _solve_flop(of: torch.Size, right: torch.Size, **named: Any) -> int:
    return 2 * of.numel() * of[-1] // 3 + 2 * of[-1] * right.numel()


def _measurement(counted: Mapping[str, int], images: int, conditions: Mapping[str, Any]) -> Measurement:
    return Measurement(
        value=sum(counted.values()) / images / MEGA,
        unit="MFLOPs/image",
        better="lower",
        conditions={
            "batch_size": images,
            "counted": "matrix products, convolutions, attention, linear systems; a multiply-add is 2",
            **conditions,
        },
        details={"operations_of_batch": dict(counted)},
    )
