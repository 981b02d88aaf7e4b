"""The metrics that the core registers."""

from __future__ import annotations

from flowzoo.component import Check, Component

METRICS: tuple[Component, ...] = (
    Component(
        kind="metric",
        name="bits-per-dim",
        build="flowzoo.bench.metrics.bits_per_dim:build_bits_per_dim",
        summary="bits/dim of held-out images, with standard error, the solver's error and an audit",
        revision=2,
    ),
    Component(
        kind="metric",
        name="decode-speed",
        build="flowzoo.bench.metrics.decode_speed:build_decode_speed",
        summary="images a second from the latents of test images",
    ),
    Component(
        kind="metric",
        name="evaluations",
        build="flowzoo.bench.metrics.evaluations:build_evaluations",
        summary="evaluations of vector fields for a batch: in likelihoods, in training and in sampling",
    ),
    Component(
        kind="metric",
        name="frechet",
        build="flowzoo.bench.metrics.frechet:build_frechet",
        summary="Fréchet distance of samples from test images in features of a network; needs torchmetrics",
        reference="Heusel et al., GANs Trained by a Two Time-Scale Update Rule, 2017, arXiv:1706.08500",
        revision=2,
        check=Check(shape=(1, 8, 8), options={"steps": 5}),
    ),
    Component(
        kind="metric",
        name="log-prob-speed",
        build="flowzoo.bench.metrics.log_prob_speed:build_log_prob_speed",
        summary="images a second in evaluations of the likelihood",
    ),
    Component(
        kind="metric",
        name="parameters",
        build="flowzoo.bench.metrics.parameters:build_parameters",
        summary="how many parameters train, of the model and of each level",
    ),
    Component(
        kind="metric",
        name="peak-memory",
        build="flowzoo.bench.metrics.peak_memory:build_peak_memory",
        summary="most memory that a step of training takes",
    ),
    Component(
        kind="metric",
        name="round-trip-error",
        build="flowzoo.bench.metrics.round_trip_error:build_round_trip_error",
        summary="how far from test images their own latents lead back",
    ),
    Component(
        kind="metric",
        name="sample-speed",
        build="flowzoo.bench.metrics.sample_speed:build_sample_speed",
        summary="images a second in sampling",
    ),
    Component(
        kind="metric",
        name="time-to-bpd",
        build="flowzoo.bench.metrics.time_to_bpd:build_time_to_bpd",
        summary="seconds of training to given bits/dim, or to near the model's best; the validation curve",
    ),
    Component(
        kind="metric",
        name="train-speed",
        build="flowzoo.bench.metrics.train_speed:build_train_speed",
        summary="images a second in steps of training",
    ),
)
