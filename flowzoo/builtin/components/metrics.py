"""The metrics that the core registers."""

from __future__ import annotations

from flowzoo.component import Component

METRICS: tuple[Component, ...] = (
    Component(
        kind="metric",
        name="bits-per-dim",
        build="flowzoo.bench.metrics.bits_per_dim:BitsPerDim",
        summary="Bits/dim of held-out images, with standard error, the solver's error and an audit",
        revision=2,
    ),
    Component(
        kind="metric",
        name="bits-per-dim-given-class",
        build="flowzoo.bench.metrics.labels:BitsPerDimGivenClass",
        summary="Bits/dim of held-out images given their class, for models with classes; never ranked",
    ),
    Component(
        kind="metric",
        name="class-accuracy",
        build="flowzoo.bench.metrics.labels:ClassAccuracy",
        summary="Share of held-out images whose class Bayes' rule finds, for models with classes",
    ),
    Component(
        kind="metric",
        name="decode-speed",
        build="flowzoo.bench.metrics.speeds:DecodeSpeed",
        summary="Decoding speed: images per second from the latents of test images",
    ),
    Component(
        kind="metric",
        name="evaluations",
        build="flowzoo.bench.metrics.evaluations:Evaluations",
        summary="Evaluations of vector fields per batch, for likelihoods, training and sampling",
    ),
    Component(
        kind="metric",
        name="log-prob-speed",
        build="flowzoo.bench.metrics.speeds:LogProbSpeed",
        summary="Images per second in evaluations of the likelihood",
    ),
    Component(
        kind="metric",
        name="ood",
        build="flowzoo.bench.metrics.ood:OutOfDistribution",
        summary="AUROC of a score that tells test images from other images",
    ),
    Component(
        kind="metric",
        name="parameters",
        build="flowzoo.bench.metrics.parameters:Parameters",
        summary="Number of trainable parameters, of the model and of each level",
    ),
    Component(
        kind="metric",
        name="peak-memory",
        build="flowzoo.bench.metrics.peak_memory:PeakMemory",
        summary="Peak memory of a training step",
    ),
    Component(
        kind="metric",
        name="round-trip-error",
        build="flowzoo.bench.metrics.round_trip_error:RoundTripError",
        summary="Round-trip error: largest difference between a test image and decode(encode(image))",
    ),
    Component(
        kind="metric",
        name="sample-speed",
        build="flowzoo.bench.metrics.speeds:SampleSpeed",
        summary="Images per second in sampling",
    ),
    Component(
        kind="metric",
        name="time-to-bpd",
        build="flowzoo.bench.metrics.time_to_bpd:TimeToBpd",
        summary="Seconds of training to given bits/dim, or to near the model's best, and the curve",
    ),
    Component(
        kind="metric",
        name="train-speed",
        build="flowzoo.bench.metrics.speeds:TrainSpeed",
        summary="Images per second in training steps",
    ),
)
