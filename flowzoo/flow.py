"""The multi-scale flow: a pixel transform and a stack of levels, finest first."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, SupportsFloat, SupportsIndex

import torch
from torch import Tensor, nn

from flowzoo.bijector import ConditionalBijector
from flowzoo.calibration import in_batches
from flowzoo.call import EVALUATION, Call, Ledger, per_image_generators
from flowzoo.checked import who_declares
from flowzoo.dequantisation import dequantise
from flowzoo.errors import DataError, NumericalError, OptionError, ShapeError
from flowzoo.exactness import Exactness, worst
from flowzoo.integers import positive_integer
from flowzoo.level import Level, LevelTerms
from flowzoo.one_pass import BeginsPasses, one_pass
from flowzoo.origin import name_of
from flowzoo.part_list import PartList
from flowzoo.precision import explains_formats
from flowzoo.recipe import Recipe
from flowzoo.seeds import check_seed
from flowzoo.shapes import Images, IntegerImages, PerImage, Shape, as_shape
from flowzoo.solving import Solving
from flowzoo.tensors import first_tensor, floating_dtype, is_replica
from flowzoo.transform import ResolutionTransform
from flowzoo.units import bits_per_dim
from flowzoo.warm_start import WarmStart

PILOT_IMAGES = 8
"""Images that a model draws first where it calibrates its solvers' steps on them."""

Temperature = SupportsFloat | Iterable[SupportsFloat]
"""Of all levels, or of each, coarsest first."""


class FlowTerms(NamedTuple):
    """The terms of ``log p(x)``: ``(B,)`` each, nats.

    Attributes:
        pixels: The pixel transform's ``log_det``.
        levels: One :class:`~flowzoo.level.LevelTerms` a level, finest first.
    """

    pixels: PerImage
    levels: tuple[LevelTerms, ...]

    def total(self) -> PerImage:
        """Return ``log p(x)``."""
        contributions = [self.pixels, *(sum_terms(level) for level in self.levels)]
        widest = max((share.dtype for share in contributions), key=lambda dtype: dtype.itemsize)
        return torch.stack([share.to(widest) for share in contributions]).sum(0)


def trainable(module: nn.Module) -> int:
    """Return how many parameters of a module train."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def sum_terms(terms: LevelTerms) -> PerImage:
    """Return one level's share of ``log p(x)``, ``(B,)``, nats."""
    return terms.transform + terms.joint + terms.conditional


class Flow(BeginsPasses, nn.Module):
    """A normalising flow over images, built of levels.

    ``log p(x) = ladj(pixels) + sum over levels [ladj(transform) + ladj(joint) + log p(factored | kept)]``

    Called as a function, it returns :meth:`log_prob`. It computes from ``levels`` alone, an ordinary list of
    modules, whose elements may be replaced, compiled or wrapped by what forwards their attributes.

    Args:
        image_shape: ``(C, H, W)`` of the images.
        levels: The levels, finest first; the last keeps nothing.
        pixels: Bijector from ``[0, 1)`` to the space of the finest level: affine or logit.
        bins: ``M``, how many integers a value of the data can take.

    Raises:
        ShapeError: The levels do not fit the shape, or do not end.
        OptionError: The pixel transform is trainable; a level does not train on its likelihood, and
            trainable parts stand before it; or a split needs scores that the parts before it cannot give.

    References:
        The cascade and its exactness: the wavelet and multi-resolution rows of Voleti et al.,
        "Multi-Resolution Continuous Normalizing Flows", 2024.
    """

    def __init__(
        self,
        image_shape: Iterable[SupportsIndex],
        levels: Sequence[Level],
        pixels: ConditionalBijector,
        bins: int = 256,
    ) -> None:
        super().__init__()
        self.image_shape = as_shape(image_shape)
        self.bins = bins
        self.pixels = pixels
        self.levels = PartList(levels, Level)
        self.recipe: Recipe | None = None
        self.layout: dict[str, tuple[int, ...]] | None = None
        """Names and shapes of the tensors that the recipe builds, by which a replaced part shows."""
        _chain_shapes(self.image_shape, self.levels)
        if any(True for _ in pixels.parameters()):
            raise OptionError(
                "the pixel transform has trainable parameters, which no level's loss would train; "
                "use a fixed one: affine or logit"
            )
        _refuse_untrainable(self.levels)
        _refuse_unscorable(list(self.levels), pixels)

    @property
    def dimensions(self) -> int:
        """``D = C * H * W`` of the finest image."""
        channels, height, width = self.image_shape
        return channels * height * width

    @property
    def latent_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the latents, ``(C, H, W)`` each, finest level first."""
        return _chain_shapes(self.image_shape, self.levels)

    @property
    def separable(self) -> bool:
        """Whether every level can be trained without the others: its parameters are its own."""
        shared = Counter(id(each) for level in self.levels for each in set(level.parameters()))
        if any(levels > 1 for levels in shared.values()):
            return False
        return all(level.separable for level in self.levels)

    @property
    def stochastic(self) -> bool:
        """Whether part of what the levels see is drawn, so that ``log p(x)`` is a bound and has spread."""
        return any(level.transform.traits.stochastic for level in self.levels)

    @property
    def exactness(self) -> Exactness:
        """What ``log p(x)`` is worth in evaluation: as much as the worst of the parts."""
        return worst(self.exactness_of_parts(exact=False))

    def exactness_of_parts(self, exact: bool) -> set[Exactness]:
        """Return what the log-determinants of all parts are worth.

        Args:
            exact: Whether the parts are requested to be exact, as ``call.solver.exact`` does.
        """
        parts = (
            each for each in self.modules() if isinstance(each, ConditionalBijector | ResolutionTransform)
        )
        return {each.traits.exactness_if(exact) for each in parts}

    @property
    def solves(self) -> bool:
        """Whether a bijector of its levels solves iteratively, so that its error has to be measured."""
        return any(each.traits.solves for each in self._bijectors())

    @property
    def calibrates(self) -> bool:
        """Whether a bijector of its levels chooses on a few images what all others meet, as solvers do."""
        return any(each.traits.calibrates for each in self._bijectors())

    def _bijectors(self) -> Iterator[ConditionalBijector]:
        return (each for each in self.modules() if isinstance(each, ConditionalBijector))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype in which the levels compute."""
        return floating_dtype(self.levels) or torch.get_default_dtype()

    @property
    def device(self) -> torch.device:
        """Where the levels are."""
        found = first_tensor(self.levels)
        return torch.device("cpu") if found is None else found.device

    def level(self, index: SupportsIndex) -> Level:
        """Return a level by its place, 0 being the finest."""
        return self.levels[index]

    def extra_repr(self) -> str:
        return f"image_shape={self.image_shape}, bins={self.bins}"

    def forward(
        self, x: Images, call: Call = EVALUATION, indices: Iterable[SupportsIndex] | None = None
    ) -> PerImage:
        """Return :meth:`log_prob`: what hooks, ``DistributedDataParallel`` and ``torch.compile`` wrap."""
        return self.log_prob(x, call, indices)

    def log_prob(
        self, x: Images, call: Call = EVALUATION, indices: Iterable[SupportsIndex] | None = None
    ) -> PerImage:
        """Return ``log p(x)``, ``(B,)``, nats.

        Where parts draw random numbers it is an estimate: continuous flows draw the probes of their trace
        unless it is exact, stochastic transforms draw part of what they return. Without ``indices`` the draws
        of an image then depend on its place in the batch; with them they follow the image, whichever batch it
        stands in. (Steps that a solver chooses for a batch still depend on that batch, within its tolerance.)

        Args:
            x: ``(B, C, H, W)`` in ``[0, 1)``.
            call: Generator, mode and ledger of this pass.
            indices: Of the images in their data set, ``B`` integers, which seed the images' draws as in
                evaluation with seed 0.

        Raises:
            ShapeError: ``x`` is not a batch of images of the model's shape.
            DataError: A value is not in ``[0, 1)``.
            OptionError: There is not one index for each image, or the call has a generator already.
            NumericalError: The result is not finite; a replica of ``torch.nn.DataParallel`` leaves that to
                whoever gathers the results, since it sees only a share of the batch.
        """
        return self.terms(x, _by_index(call, indices, len(x))).total()

    def terms(self, x: Images, call: Call = EVALUATION) -> FlowTerms:
        """Return the terms that ``log p(x)`` is the sum of; arguments and errors as in :meth:`log_prob`."""
        return self.analyse(x, call)[1]

    def encode(self, x: Images, call: Call = EVALUATION) -> list[Images]:
        """Return one latent a level, finest first; arguments and errors as in :meth:`log_prob`."""
        return self.analyse(x, call)[0]

    @one_pass
    @explains_formats
    def analyse(self, x: Images, call: Call = EVALUATION) -> tuple[list[Images], FlowTerms]:
        """Return what :meth:`encode` and :meth:`terms` return, of one pass; errors as in :meth:`log_prob`."""
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
        if call.mode != "initialise" and not is_replica(self):
            _require_finite(result.total(), "log p(x)", "check the data and the model's training log")
        return latents, result

    @one_pass
    @explains_formats
    def decode(self, latents: Sequence[Images], call: Call = EVALUATION) -> Images:
        """Return the image, ``(B, C, H, W)``, that the latents encode. It may leave ``[0, 1)``.

        Args:
            latents: One a level, finest first, of :attr:`latent_shapes`.
            call: Generator, mode and ledger of this pass.

        Raises:
            ShapeError: The latents are not those of this model.
            NumericalError: The image is not finite.
        """
        self._check_latents(latents)
        x: Images | None = None
        for level, z in zip(reversed(self.levels), reversed(latents), strict=True):
            x = level.inverse(x, z.to(self.dtype), call)
        assert x is not None, "a flow has levels"
        x = self.pixels.inverse(x, None, call)
        if is_replica(self):
            return x
        _require_finite(x, "a decoded image", "lower the temperature, or train the model for longer")
        return x

    @torch.no_grad()
    def sample(
        self,
        n: SupportsIndex,
        temperature: Temperature = 1.0,
        seed: SupportsIndex | None = None,
        batch_size: SupportsIndex | None = None,
    ) -> Images:
        """Draw images.

        Every image has noise of its own, so the first images of a seed are the same however many are drawn
        and in whatever batches: to rounding, or to the tolerance of a solver that calibrates no steps
        (:attr:`calibrates`).

        Args:
            n: How many.
            temperature: Standard deviation of the latents, one for all levels or a list, coarsest first.
            seed: Makes the draw repeatable; the global random state is not touched either way.
            batch_size: Images at once; by default all of them.

        Returns:
            ``(n, C, H, W)``, in ``[0, 1)`` up to what the model leaves outside.

        Raises:
            OptionError: ``n``, a temperature, the seed or the batch size is out of range.
        """
        return torch.cat(list(self.sample_batches(n, temperature, seed, batch_size)))

    @torch.no_grad()
    def sample_batches(
        self,
        n: SupportsIndex,
        temperature: Temperature = 1.0,
        seed: SupportsIndex | None = None,
        batch_size: SupportsIndex | None = None,
    ) -> Iterator[Images]:
        """Draw the images of :meth:`sample` batch by batch; arguments and errors as there.

        A model that calibrates its solvers' steps begins with a batch of :data:`PILOT_IMAGES`.
        """
        n = positive_integer("n, how many images to draw,", n)
        if batch_size is not None:
            batch_size = positive_integer("batch_size, how many images to draw at once,", batch_size)
        base = torch.Generator().seed() if seed is None else check_seed(seed)

        def draw(indices: range, warm_start: WarmStart) -> Images:
            call = Call(generator=per_image_generators(base, indices), solver=Solving(warm_start=warm_start))
            return self.decode(self.draw_latents(len(indices), temperature, call), call)

        yield from in_batches(self, n, batch_size or n, PILOT_IMAGES if self.calibrates else 0, draw)

    @one_pass
    def draw_latents(
        self, n: SupportsIndex, temperature: Temperature = 1.0, call: Call = EVALUATION
    ) -> list[Images]:
        """Draw ``T * N(0, I)`` for each level, finest first; arguments as in :meth:`sample`."""
        temperatures = self._temperatures(temperature)
        count = positive_integer("n, how many images to draw,", n)
        blank = [torch.empty((count, *shape), dtype=self.dtype) for shape in self.latent_shapes]
        return [(call.normal(each) * t).to(self.device) for each, t in zip(blank, temperatures, strict=True)]

    @one_pass
    def bits_per_dim(
        self, images: IntegerImages, call: Call = EVALUATION, indices: Iterable[SupportsIndex] | None = None
    ) -> PerImage:
        """Return the bits per dimension of integer images under one draw of uniform noise, ``(B,)``.

        An upper bound in expectation; see :func:`flowzoo.units.bits_per_dim`. Without ``indices`` an image's
        noise depends on its place in the batch.

        Args:
            images: ``(B, C, H, W)``, integers in ``{0, ..., bins - 1}``.
            call: Whose generator draws the noise.
            indices: As in :meth:`log_prob`.

        Raises:
            DataError: ``images`` are not such integers.
            OptionError: As in :meth:`log_prob`.
        """
        self._require_values()
        call = _by_index(call, indices, len(images))
        x = dequantise(images.to(self.device), self.bins, call)
        return bits_per_dim(self.log_prob(x, call), self.dimensions, self.bins)

    @explains_formats
    def loss(self, x: Images, call: Call) -> list[PerImage]:
        """Return each level's training loss, ``(B,)`` nats, finest first; arguments: :meth:`log_prob`."""
        _refuse_untrainable(self.levels)
        y, _ = self._enter(x, call)
        losses: list[PerImage] = []
        for level in self.levels:
            kept, loss = level.loss(y, call)
            losses.append(loss)
            y = kept if kept is not None else y
        return losses

    @one_pass
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
        """Return the image that reaches a level: ``x`` taken down through the finer ones."""
        y, _ = self._enter(x, call)
        for level in self.levels[:index]:
            kept = level.take_apart(y, call).kept
            assert kept is not None, "only the last level keeps nothing"
            y = kept
        return y

    @torch.no_grad()
    def initialise(self, batches: Iterable[Images]) -> None:
        """Make the first pass over the data: components take from it the state that they need.

        One batch is enough for most; the pass goes on while a component asks for more.

        Args:
            batches: Of ``(B, C, H, W)`` in ``[0, 1)``; a first batch of some hundred images is a good one.

        Raises:
            DataError: There was no image.
        """
        seen = False
        for x in batches:
            if not len(x):
                continue
            seen = True
            ledger = Ledger()
            self.analyse(x, Call(mode="initialise", ledger=ledger))
            if not ledger.wants_more:
                return
        if not seen:
            raise DataError("the first pass over the data got no images; is the training split empty?")

    def _enter(self, x: Images, call: Call) -> tuple[Images, PerImage]:
        """Check images and take them to the space of the finest level, in the levels' dtype."""
        self._require_values()
        if x.ndim != 4 or tuple(x.shape[1:]) != self.image_shape:
            raise ShapeError(
                f"expected images of shape (B, {', '.join(map(str, self.image_shape))}), got {tuple(x.shape)}"
            )
        if not x.is_floating_point():
            raise DataError(
                f"log_prob takes values in [0, 1), got {x.dtype}; for integer images call bits_per_dim"
            )
        if x.numel() and not bool(((x >= 0) & (x < 1)).all()):
            raise DataError(_outside(x))
        y, log_det = self.pixels(x.to(self.device), None, call)
        return y.to(self.dtype), log_det

    def _require_values(self) -> None:
        if self.device.type == "meta":
            raise OptionError(
                "the model is on the device 'meta', which holds shapes and no values; "
                "move it with to_empty(device='cpu') and load its weights"
            )

    def _check_latents(self, latents: Sequence[Images]) -> None:
        self._require_values()
        found = [tuple(z.shape[1:]) for z in latents]
        if found != list(self.latent_shapes):
            raise ShapeError(
                f"expected latents, finest level first, of shapes {list(self.latent_shapes)}; got {found}"
            )

    def _temperatures(self, temperature: Temperature) -> list[float]:
        """Return one temperature a level, finest first."""
        levels = len(self.levels)
        given = torch.as_tensor(temperature, dtype=torch.float64)
        temperatures: list[float] = given.flip(0).tolist() if given.ndim else [float(given)] * levels
        if len(temperatures) != levels:
            raise OptionError(
                f"expected one temperature, or {levels} of them, coarsest first; got {len(temperatures)}"
            )
        if not all(0.0 <= t < float("inf") for t in temperatures):
            raise OptionError(f"temperatures are finite and at least 0; got {temperature}")
        return temperatures


def _by_index(call: Call, indices: Iterable[SupportsIndex] | None, images: int) -> Call:
    """Return the call whose draws follow the images' indices, if there are any."""
    if indices is None:
        return call
    if call.generator is not None:
        raise OptionError("give either indices, which seed each image's draws, or a call with a generator")
    generators = per_image_generators(0, indices)
    if len(generators) != images:
        raise OptionError(f"there are {len(generators)} indices for {images} images; give one for each")
    return dataclasses.replace(call, generator=generators)


def _chain_shapes(image_shape: Shape, levels: PartList[Level]) -> tuple[Shape, ...]:
    """Return the latents' shapes, finest first, and refuse a stack that does not end at its last level."""
    if not len(levels):
        raise ShapeError("a flow needs at least one level")
    latents: list[Shape] = []
    shape: Shape | None = image_shape
    for place, level in enumerate(levels):
        if shape is None:
            raise ShapeError(f"level {place - 1} keeps nothing, but {len(levels) - place} more follow it")
        shape, latent = level.shapes(shape)
        latents.append(latent)
    if shape is not None:
        raise ShapeError(f"the last level keeps an image of shape {shape}; end with the split 'keep-nothing'")
    return tuple(latents)


def _refuse_untrainable(levels: PartList[Level]) -> None:
    """A loss that is no likelihood gives no meaningful gradient to what stands before it."""
    if all(
        each.joint.traits.loss_is_likelihood and each.conditional.traits.loss_is_likelihood for each in levels
    ):
        return
    trainable_before = False
    for place, level in enumerate(levels):
        if not level.joint.traits.loss_is_likelihood:
            raise OptionError(
                f"level {place}'s joint trains on the likelihood of the whole, and "
                f"{who_declares(level.joint, _has_other_loss)} is set to train on something else; "
                "set the joint's objective=likelihood"
            )
        trainable_before = trainable_before or not level.separable
        if trainable_before and not level.conditional.traits.loss_is_likelihood:
            raise OptionError(
                f"level {place}'s conditional does not train on its likelihood, so the trainable transform, "
                f"joint or split before it would get no gradient from "
                f"{who_declares(level.conditional, _has_other_loss)}; set the bijector's objective=likelihood"
            )


def _refuse_unscorable(levels: Sequence[Level], pixels: ConditionalBijector) -> None:
    """Scores of pixels are their contributions of the log-determinant of the joints before the split."""
    for place, level in enumerate(levels):
        if level.split.unscored() is None:
            continue
        before = levels[: place + 1]
        asked = f"level {place}'s split orders pixels by their contributions of the joints' log-determinant"
        mixing: list[nn.Module] = [each.transform for each in before if not each.transform.traits.permutes]
        if not pixels.traits.pointwise:
            mixing.append(pixels)
        if mixing:
            raise OptionError(
                f"{asked}, and {name_of(mixing[0])} mixes pixels before it; use transform=identity or "
                "transform=squeeze and logit or affine pixels, or a split that needs no scores"
            )
        silent = next((each.joint for each in before if not each.joint.traits.has_contributions), None)
        if silent is not None:
            raise OptionError(
                f"{asked}, and {who_declares(silent, _has_no_contributions)} cannot tell them; "
                "use another joint, or a split that needs no scores"
            )
        if all(each.joint.traits.pointwise for each in before):
            raise OptionError(
                f"{asked}, and no joint treats them differently; set one that does, such as joint=realnvp, "
                "or use a split that needs no scores"
            )


def _has_no_contributions(bijector: ConditionalBijector) -> bool:
    return not bijector.traits.has_contributions


def _has_other_loss(bijector: ConditionalBijector) -> bool:
    return not bijector.traits.loss_is_likelihood


def _require_finite(values: Tensor, what: str, advice: str) -> None:
    finite = values.isfinite().flatten(1).all(1) if values.ndim > 1 else values.isfinite()
    if not bool(finite.all()):
        bad = (~finite).nonzero().flatten()[:5].tolist()
        raise NumericalError(f"{what} is not finite for image(s) {bad} of the batch; {advice}")


def _outside(x: Images) -> str:
    if not bool(x.isfinite().all()):
        return "images hold NaN or infinite values; find and mend them before training or evaluation"
    return (
        f"images must lie in [0, 1), found values in [{x.min().item():g}, {x.max().item():g}]; "
        "for integer images call bits_per_dim, or dequantise them first"
    )
