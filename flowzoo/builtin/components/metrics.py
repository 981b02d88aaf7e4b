"""The metrics that the core registers."""

from __future__ import annotations

from flowzoo.component import Component

METRICS: tuple[Component, ...] = (
    Component(
        kind="metric",
        name="bits-per-dim",
        build="flowzoo.bench.metrics.bits_per_dim:BitsPerDim",
        summary="bits/dim of held-out images, with standard error, the solver's error and an audit",
        revision=2,
    ),
    Component(
        kind="metric",
        name="decode-speed",
        build="flowzoo.bench.metrics.speeds:DecodeSpeed",
        summary="images a second from the latents of test images",
    ),
    Component(
        kind="metric",
        name="evaluations",
        build="flowzoo.bench.metrics.evaluations:Evaluations",
        summary="evaluations of vector fields for a batch: in likelihoods, in training and in sampling",
    ),
    Component(
        kind="metric",
        name="log-prob-speed",
        build="flowzoo.bench.metrics.speeds:LogProbSpeed",
        summary="images a second in evaluations of the likelihood",
    ),
    Component(
        kind="metric",
        name="parameters",
        build="flowzoo.bench.metrics.parameters:Parameters",
        summary="how many parameters train, of the model and of each level",
    ),
    Component(
        kind="metric",
        name="peak-memory",
        build="flowzoo.bench.metrics.peak_memory:PeakMemory",
        summary="most memory that a step of training takes",
    ),
    Component(
        kind="metric",
        name="round-trip-error",
        build="flowzoo.bench.metrics.round_trip_error:RoundTripError",
        summary="how far from test images their own latents lead back",
    ),
    Component(
        kind="metric",
        name="sample-speed",
        build="flowzoo.bench.metrics.speeds:SampleSpeed",
        summary="images a second in sampling",
    ),
    Component(
        kind="metric",
        name="time-to-bpd",
        build="flowzoo.bench.metrics.time_to_bpd:TimeToBpd",
        summary="seconds of training to given bits/dim, or to near the model's best; the validation curve",
    ),
    Component(
        kind="metric",
        name="train-speed",
        build="flowzoo.bench.metrics.speeds:TrainSpeed",
        summary="images a second in steps of training",
    ),
)
