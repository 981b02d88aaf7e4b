"""The multi-scale flow: a pixel transform and a stack of levels, finest first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import SupportsFloat, SupportsIndex

import torch
from torch import Tensor

from flowzoo.calibration import PILOT_DRAWS, in_batches
from flowzoo.call import EVALUATION, Call, Ledger, per_image_generators
from flowzoo.errors import DataError, OptionError, ShapeError
from flowzoo.first_pass_end import end_first_pass
from flowzoo.flow_training import TrainableStack
from flowzoo.flow_values import (
    Labels,
    Temperature,
    by_index,
    labels_at,
    labels_of,
    require_finite,
    temperatures_of,
)
from flowzoo.integers import positive_integer
from flowzoo.level import LevelTerms
from flowzoo.one_pass import one_pass
from flowzoo.precision import explains_formats
from flowzoo.seeds import check_seed
from flowzoo.shapes import Images, IntegerImages, PerImage, require_tensor
from flowzoo.solving import Solving
from flowzoo.tensors import is_replica
from flowzoo.terms import FlowTerms
from flowzoo.units import bits_per_dim
from flowzoo.warm_start import WarmStart


class Flow(TrainableStack):
    """A normalising flow over images, built of levels.

    ``log p(x) = ladj(pixels) + sum over levels [ladj(transform) + ladj(joint) + log p(factored | kept)]``

    Called as a function, it returns :meth:`log_prob`. It computes from ``levels`` alone, an ordinary list of
    modules, whose elements may be replaced, compiled or wrapped by what forwards their attributes.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        levels: The levels, finest first; the last keeps nothing.
        pixels: Bijector from ``[0, 1)`` to the space of the finest level: affine or logit.
        bins: ``M``, how many integers a value of the data can take.
        dequantisation: The noise that makes integer images continuous; by default uniform.
        class_dropout: Share of the images of a training batch whose labels are hidden, for a model with
            classes.

    Raises:
        ShapeError: The levels do not fit the shape, or do not end.
        OptionError: The pixel transform is trainable, or does not suit the noise; a level does not train on
            its likelihood, and there are trainable parts before it or the noise is trainable; or a split
            needs scores that the parts before it cannot compute.

    References:
        The cascade and its exactness: the wavelet and multi-resolution rows of Voleti et al.,
        "Multi-Resolution Continuous Normalizing Flows", 2024.
    """

    def forward(
        self,
        x: Images,
        call: Call = EVALUATION,
        indices: Iterable[SupportsIndex] | None = None,
        labels: Labels | None = None,
    ) -> PerImage:
        """Return :meth:`log_prob`: what hooks, ``DistributedDataParallel`` and ``torch.compile`` wrap."""
        return self.log_prob(x, call, indices, labels)

    def log_prob(
        self,
        x: Images,
        call: Call = EVALUATION,
        indices: Iterable[SupportsIndex] | None = None,
        labels: Labels | None = None,
    ) -> PerImage:
        """Return ``log p(x)``, or ``log p(x | label)`` if there are labels; ``(B,)``, nats.

        Where parts draw random numbers it is an estimate: continuous flows draw the probes of their trace
        unless it is exact, and stochastic transforms draw part of their output. Without ``indices`` the draws
        of an image then depend on its place in the batch. With them they depend on the image only, in any
        batch. (Steps that a solver chooses for a batch still depend on that batch, within its tolerance.)

        Args:
            x: ``(B, C, H, W)`` in ``[0, 1)``.
            call: Generator, mode and ledger of this pass.
            indices: Places of the images in their data set, ``B`` integers, which seed the images' draws as
                in evaluation with seed 0.
            labels: For a model with classes: the class of each image, ``(B,)``, or one for all; -1 for no
                label.

        Raises:
            ShapeError: ``x`` is not a batch of images of the model's shape.
            DataError: A value is not in ``[0, 1)``.
            OptionError: There is not one index or label for each image, the call has a generator already, or
                the model has no such class.
            NumericalError: The result is not finite. (A replica of ``torch.nn.DataParallel`` does not check,
                since it sees only a part of the batch.)
        """
        call = self._given(call, labels, len(x))
        return self._pass(x, by_index(call, indices, len(x)))[2]

    def terms(self, x: Images, call: Call = EVALUATION) -> FlowTerms:
        """Return the terms that ``log p(x)`` is the sum of; arguments and errors as in :meth:`log_prob`."""
        return self.analyse(x, call)[1]

    def encode(self, x: Images, call: Call = EVALUATION, labels: Labels | None = None) -> list[Images]:
        """Return one latent a level, finest first; arguments and errors as in :meth:`log_prob`."""
        return self.analyse(x, self._given(call, labels, len(x)))[0]

    def analyse(self, x: Images, call: Call = EVALUATION) -> tuple[list[Images], FlowTerms]:
        """Return what :meth:`encode` and :meth:`terms` return, of one pass; errors as in :meth:`log_prob`."""
        return self._pass(x, call)[:2]

    @one_pass
    @explains_formats
    def _pass(self, x: Images, call: Call) -> tuple[list[Images], FlowTerms, PerImage]:
        """Return latents, terms, and the sum of the terms."""
        if call.ledger is not None:
            call.rest_on(self.exactness_of_parts(call.solver.exact))
        y, pixels_log_det = self._enter(x, call)
        latents: list[Images] = []
        terms: list[LevelTerms] = []
        for level in self.levels:
            kept, z, level_terms = level(y, call)
            latents.append(z)
            terms.append(level_terms)
            y = kept if kept is not None else y
        result = FlowTerms(pixels_log_det, tuple(terms))
        total = result.total()
        if call.mode != "initialise" and not is_replica(self):
            require_finite(total, "log p(x)", "check the data and the model's training log", self)
        return latents, result, total

    @one_pass
    @explains_formats
    def decode(
        self, latents: Sequence[Images], call: Call = EVALUATION, labels: Labels | None = None
    ) -> Images:
        """Return the image, ``(B, C, H, W)``, that the latents encode. It may leave ``[0, 1)``.

        Args:
            latents: One a level, finest first, of :attr:`latent_shapes`.
            call: Generator, mode and ledger of this pass.
            labels: As in :meth:`log_prob`.

        Raises:
            ShapeError: The latents are not those of this model.
            OptionError: There is not one label for each image, or the model has no such class.
            NumericalError: The image is not finite.
        """
        self._check_latents(latents)
        call = self._given(call, labels, latents[0].shape[0])
        x: Images | None = None
        for level, z in zip(reversed(self.levels), reversed(latents), strict=True):
            x = level.inverse(x, z.to(self.dtype), call)
        assert x is not None, "a flow has levels"
        x = self.pixels.inverse(x, None, call)
        if is_replica(self):
            return x
        require_finite(x, "a decoded image", "lower the temperature, or train the model for longer", self)
        return x

    @torch.no_grad()
    def sample(
        self,
        n: SupportsIndex,
        temperature: Temperature = 1.0,
        seed: SupportsIndex | None = None,
        batch_size: SupportsIndex | None = None,
        labels: Labels | None = None,
        guidance: SupportsFloat = 1.0,
    ) -> Images:
        """Draw images.

        Every image has its own noise, so the first images of a seed are the same, however many are drawn
        and in any batches: up to rounding, or up to the tolerance of a solver that does not calibrate
        (:attr:`calibrates`).

        Args:
            n: Number of images.
            temperature: Standard deviation of the latents, one for all levels or a list, coarsest first.
            seed: Seed of the draw. The global random state does not change.
            batch_size: Images at once; by default all of them.
            labels: For a model with classes: the class of each image, ``(n,)``, or one for all; -1 for no
                label.
            guidance: For continuous flows with classes: the fields follow ``v(x) + guidance (v(x | label) -
                v(x))``. Above 1, samples look more like their class and vary less, and they are no samples of
                the model's density.

        Returns:
            ``(n, C, H, W)``, in ``[0, 1)`` up to what the model leaves outside.

        Raises:
            OptionError: ``n``, a temperature, the seed or the batch size is out of range; the model has no
                such class; or it cannot be guided.
        """
        return torch.cat(list(self.sample_batches(n, temperature, seed, batch_size, labels, guidance)))

    @torch.no_grad()
    def sample_batches(
        self,
        n: SupportsIndex,
        temperature: Temperature = 1.0,
        seed: SupportsIndex | None = None,
        batch_size: SupportsIndex | None = None,
        labels: Labels | None = None,
        guidance: SupportsFloat = 1.0,
    ) -> Iterator[Images]:
        """Draw the images of :meth:`sample` batch by batch; arguments and errors as there.

        A model that calibrates its solvers' steps begins with a batch of
        :data:`~flowzoo.calibration.PILOT_DRAWS` images.
        """
        n = positive_integer("n, how many images to draw,", n)
        if batch_size is not None:
            batch_size = positive_integer("batch_size, how many images to draw at once,", batch_size)
        base = torch.Generator().seed() if seed is None else check_seed(seed)
        given = labels_of(labels, n, self.classes)
        factor = self._check_guidance(guidance, given)

        def draw(indices: range, warm_start: WarmStart) -> Images:
            # The pilot's images may be more than those that are wanted.
            own = labels_at(given, (index % n for index in indices))
            solver = Solving(warm_start=warm_start, guidance=factor)
            call = Call(generator=per_image_generators(base, indices), solver=solver, labels=own)
            return self.decode(self.draw_latents(len(indices), temperature, call), call)

        yield from in_batches(self, n, batch_size or n, PILOT_DRAWS if self.calibrates else 0, draw)

    def _check_guidance(self, guidance: SupportsFloat, labels: Tensor | None) -> float:
        factor = float(guidance)
        if factor == 1.0:
            return factor
        if not 0.0 <= factor < math.inf:
            raise OptionError(f"guidance is {factor:g}; give a finite number of at least 0")
        if not self.guides:
            raise OptionError(
                "guidance is for continuous flows with classes, and no vector field of this model is "
                "given labels. Leave it out"
            )
        if labels is None:
            raise OptionError(
                "guidance is towards a class, and no labels are given. Give some, or leave it out"
            )
        if not self.class_dropout:
            raise OptionError(
                "guidance needs a field without a label too, which this model did not learn: it was "
                "trained with class_dropout=0. Leave guidance out, or train a model with class_dropout=0.1"
            )
        return factor

    @one_pass
    def draw_latents(
        self, n: SupportsIndex, temperature: Temperature = 1.0, call: Call = EVALUATION
    ) -> list[Images]:
        """Draw ``T * N(0, I)`` for each level, finest first; arguments as in :meth:`sample`."""
        temperatures = temperatures_of(temperature, len(self.levels))
        count = positive_integer("n, how many images to draw,", n)
        blank = [torch.empty((count, *shape), dtype=self.dtype) for shape in self.latent_shapes]
        return [(call.normal(each) * t).to(self.device) for each, t in zip(blank, temperatures, strict=True)]

    @one_pass
    def bits_per_dim(
        self,
        images: IntegerImages,
        call: Call = EVALUATION,
        indices: Iterable[SupportsIndex] | None = None,
        labels: Labels | None = None,
    ) -> PerImage:
        """Return the bits per dimension of integer images under one draw of the noise, ``(B,)``.

        An upper bound in expectation; see :func:`flowzoo.units.bits_per_dim`. Without ``indices`` an image's
        noise depends on its place in the batch.

        Args:
            images: ``(B, C, H, W)``, integers in ``{0, ..., bins - 1}``.
            call: The call, whose generator draws the noise.
            indices: As in :meth:`log_prob`.
            labels: As in :meth:`log_prob`; the figure is then one of images given their class.

        Raises:
            DataError: ``images`` are not such integers.
            OptionError: As in :meth:`log_prob`.
        """
        self._require_values()
        call = self._given(by_index(call, indices, len(images)), labels, len(images))
        x, log_q = self.dequantise(images, call)
        log_prob = self.log_prob(x, call)
        return bits_per_dim(log_prob - log_q.to(log_prob.dtype), self.dimensions, self.bins)

    @torch.no_grad()
    def initialise(
        self,
        batches: Iterable[Images | IntegerImages | tuple[Images | IntegerImages, Tensor | None]],
        generator: torch.Generator | None = None,
    ) -> None:
        """Make the first pass over the data: components take from it the state that they need.

        One batch is enough for most; the pass continues while a component requests more.

        Args:
            batches: Batches ``(B, C, H, W)``, integers or in ``[0, 1)``; a few hundred images are a good
                first batch. Integers are needed if the noise has parts that take their state from data. A
                model with classes also takes pairs of images and their labels, ``(B,)``.
            generator: Draws the noise of integers. Without one, it is the same each time.

        Raises:
            DataError: There was no image.
        """
        seen = False
        for batch in batches:
            images, labels = batch if isinstance(batch, tuple) else (batch, None)
            if not len(images):
                continue
            seen = True
            ledger = Ledger()
            require_tensor(images)
            x = images
            if not images.is_floating_point():
                x = self.dequantise(images, Call(mode="initialise", generator=generator, ledger=ledger)).x
            call = self._given(Call(mode="initialise", ledger=ledger), labels, len(x))
            self.analyse(x, call)
            if not ledger.wants_more:
                break
        if not seen:
            raise DataError("the first pass over the data got no images; is the training split empty?")
        end_first_pass(self)

    def _check_latents(self, latents: Sequence[Images]) -> None:
        self._require_values()
        found = [tuple(z.shape[1:]) for z in latents]
        if found != list(self.latent_shapes):
            raise ShapeError(
                f"expected latents, finest level first, of shapes {list(self.latent_shapes)}; got {found}"
            )
