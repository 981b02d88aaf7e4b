"""The part of a flow that training needs: its losses, for the whole and level by level."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import SupportsIndex

import torch
from torch import Tensor

from flowzoo import checked
from flowzoo.call import EVALUATION, Call
from flowzoo.dequantisation import add_noise, check_integers
from flowzoo.errors import DataError, OptionError, ShapeError
from flowzoo.flow_values import NO_LABEL, Dequantised, Labels, given_labels, in_unit_interval
from flowzoo.one_pass import BeginsPasses, one_pass
from flowzoo.phases import common_phases, phase_at
from flowzoo.precision import explains_formats
from flowzoo.shapes import Images, IntegerImages, PerImage, require_tensor
from flowzoo.solving import Solving
from flowzoo.stacking import LevelStack, refuse_untrainable
from flowzoo.units import nats_to_bits
from flowzoo.warm_start import WarmStart


class TrainableStack(BeginsPasses, LevelStack):
    """A stack of levels with the losses by which it trains."""

    @one_pass
    def dequantise(self, images: IntegerImages, call: Call = EVALUATION) -> Dequantised:
        """Make integer images continuous by the model's own noise.

        Args:
            images: ``(B, C, H, W)``, integers in ``{0, ..., bins - 1}``, on any device.
            call: Its generator draws the noise. Without one, the noise is the same each time. In the mode
                ``initialise``, the noise's own parts take their state from the data.

        Raises:
            DataError: The images are not such integers.
            ShapeError, NumericalError, PluginError: As :func:`flowzoo.checked.noise`.
        """
        # Where the images lie: reading values back from a GPU would wait for it.
        check_integers(images, self.bins)
        return self._add_noise(images, call)

    def _add_noise(self, images: IntegerImages, call: Call) -> Dequantised:
        images = images.to(self.device, non_blocking=self.device.type == "cuda")
        u, log_q = checked.noise(self.dequantisation, images, self.bins, call)
        return Dequantised(add_noise(images, u, self.bins), log_q)

    @one_pass
    @explains_formats
    def loss(self, x: Images, call: Call) -> list[PerImage]:
        """Return each level's training loss, ``(B,)`` nats, finest first; arguments: :meth:`log_prob`."""
        return self._losses(self._enter(x, call)[0], call)

    def _losses(self, y: Images, call: Call) -> list[PerImage]:
        if not torch.compiler.is_compiling():  # a step that is not compiled comes first
            refuse_untrainable(self.levels)
        losses: list[PerImage] = []
        for level in self.levels:
            kept, loss = level.loss(y, call)
            losses.append(loss)
            y = kept if kept is not None else y
        return losses

    @one_pass
    def training_loss(
        self,
        images: IntegerImages,
        *,
        labels: Labels | None = None,
        progress: float = 0.0,
        generator: torch.Generator | None = None,
        warm_start: WarmStart | None = None,
    ) -> Tensor:
        """Return what training minimises for a batch of integer images: a scalar, in bits/dim.

        The images are dequantised, the losses of the levels and the regularisers are added up, and the mean
        over the images is taken. Where the noise has parameters, its ``log q`` and the pixels' ``log_det``
        are added too; otherwise they change nothing. ``flowzoo train`` minimises the same function.

        Args:
            images: ``(B, C, H, W)``, integers in ``{0, ..., bins - 1}``.
            labels: The class of each image, ``(B,)``, for a model with classes. A share of them,
                ``class_dropout``, is hidden, so that the model learns to do without.
            progress: How much of the training is done, in ``[0, 1]``. A model that trains by several
                objectives, one after another, is in the phase of that moment.
            generator: The source of noise and probes. Without one, they are new with each call.
            warm_start: The values that solvers keep from batch to batch. Without it they start again with
                each batch, which costs time; see :class:`flowzoo.warm_start.WarmStart`.

        Raises:
            DataError: The images are not such integers.
            OptionError: Levels are set to different phases of training; or the labels do not fit the model.
        """
        if generator is None:
            generator = torch.Generator()
            generator.seed()
        phase = phase_at(common_phases([self]), progress).name
        solver = Solving(phase=phase, warm_start=warm_start)
        call = Call(mode="train", generator=generator, solver=solver)
        return self.batch_loss(images, self._given(call, labels, len(images)))

    @explains_formats
    def batch_loss(
        self, images: IntegerImages, call: Call, levels: Iterable[SupportsIndex] | None = None
    ) -> Tensor:
        """Return what a training step minimises for a batch of integer images: a scalar, in bits/dim.

        Args:
            images: ``(B, C, H, W)``, integers in ``{0, ..., bins - 1}``.
            call: The call, in the mode ``train``. A share of its labels is hidden.
            levels: The levels that train, at the cost of these only; None for all.
        """
        require_tensor(images)
        if not len(images):
            raise DataError("the batch holds no images, so it has no loss. Leave out empty batches")
        check_integers(images, self.bins)
        return self.checked_batch_loss(images, self.hiding_labels(call, len(images)), levels)

    @one_pass
    def checked_batch_loss(
        self, images: IntegerImages, call: Call, levels: Iterable[SupportsIndex] | None = None
    ) -> Tensor:
        """Return :meth:`batch_loss` of checked images with :meth:`hiding_labels`: what training compiles."""
        own, ledger = call.collecting()
        x, log_q = self._add_noise(images, own)
        call.absorb(ledger)
        # Dequantised values are in range. Checking them would wait for a GPU in every step.
        y, log_det = self._transform_pixels(x, call)
        if levels is not None:
            losses = [self.levels[index].loss(self._above(index, y, call), call)[1] for index in levels]
        else:
            losses = self._losses(y, call)
            if self.trains_noise:
                # The pixels' log_det matters here, since it depends on the noise.
                noise = log_q - log_det
                losses += [each.to(losses[0].dtype) for each in (noise, *ledger.penalties.values())]
        return nats_to_bits(torch.stack(losses).sum(0), self.dimensions).mean()

    def _given(self, call: Call, labels: Labels | None, images: int) -> Call:
        """Return a call with labels, if there are any; errors as in :func:`given_labels`."""
        # How many classes there are is asked of every part, so only if it is needed.
        return call if labels is None else given_labels(call, labels, images, self.classes)

    def hiding_labels(self, call: Call, images: int) -> Call:
        """Return a call whose labels are hidden from a random share of the images."""
        if call.labels is None or not self.classes or not self.class_dropout:
            return call
        labels = call.labels.to(self.device)
        hidden = call.uniform(torch.empty((images, 1), device=self.device))[:, 0] < self.class_dropout
        return replace(call, labels=torch.where(hidden, NO_LABEL, labels))

    @explains_formats
    def level_loss(self, index: SupportsIndex, x: Images, call: Call) -> PerImage:
        """Return the training loss of one level, ``(B,)`` in nats, at the cost of that level only.

        Args:
            index: The level's place, 0 being the finest.
            x: ``(B, C, H, W)`` in ``[0, 1)``.
            call: Generator, mode and ledger of this pass.
        """
        return self.levels[index].loss(self.level_input(index, x, call), call)[1]

    @one_pass
    @explains_formats
    def level_input(self, index: SupportsIndex, x: Images, call: Call = EVALUATION) -> Images:
        """Return the input of a level: ``x`` after the finer levels."""
        return self._above(index, self._enter(x, call)[0], call)

    def _above(self, index: SupportsIndex, y: Images, call: Call) -> Images:
        """Return the input of a level, given that of the finest one."""
        for level in self.levels[:index]:
            kept = level.take_apart(y, call).kept
            assert kept is not None, "only the last level keeps nothing"
            y = kept
        return y

    def _enter(self, x: Images, call: Call) -> tuple[Images, PerImage]:
        """Check images and transform them to the space of the finest level, in the levels' dtype."""
        self._require_values()
        require_tensor(x)
        if x.ndim != 4 or tuple(x.shape[1:]) != self.image_shape:
            raise ShapeError(
                f"expected images of shape (B, {', '.join(map(str, self.image_shape))}), got {tuple(x.shape)}"
            )
        if not x.is_floating_point():
            raise DataError(
                f"log_prob takes floating-point images with values in [0, 1), got {x.dtype}. "
                "For integer images call bits_per_dim"
            )
        return self._transform_pixels(in_unit_interval(x).to(self.device), call)

    def _transform_pixels(self, x: Images, call: Call) -> tuple[Images, PerImage]:
        """Transform images with values in ``[0, 1)`` to the space of the finest level, in its dtype."""
        y, log_det = self.pixels(x, None, call)
        return y.to(self.dtype), log_det

    def _require_values(self) -> None:
        if self.device.type == "meta":
            raise OptionError(
                "the model is on the device 'meta', which holds shapes and no values; "
                "move it with to_empty(device='cpu') and load its weights"
            )
