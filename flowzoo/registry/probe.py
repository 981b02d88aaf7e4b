"""The probe of a saved model: what it computes for a few images, which shows a change that nothing declares.

The images are drawn from the model itself and kept with it, as is their noise (a fixed stream of bytes), and
the steps that solvers took. Only rounding is then left to differ between machines, threads and versions of
torch, and the model is asked how far that may go: a row's tolerance is the largest of

* 1e-4 bits/dim, about a thousand times what rounding in single precision was found to do,
* 30 units in the last place of the model's dtype, which is much for half precision,
* four times what the row changes by when every pixel is changed by 8 such units.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from flowzoo.call import Call, per_image_generators
from flowzoo.dequantisation import Uniform, quantise
from flowzoo.errors import NotInitialisedError, NumericalError, SavedModelError
from flowzoo.flow import Flow
from flowzoo.registry.plugin import one_line
from flowzoo.shapes import Images, IntegerImages
from flowzoo.solving import Solving
from flowzoo.units import bits_per_dim, nats_to_bits
from flowzoo.warm_start import WarmStart

WHOLE = "bits/dim"
"""The row of the whole model; the others are of its parts, in bits per dimension of their level's latent."""

_SMALL = 1024
"""Dimensions up to which two images are taken, and one above."""

_FLOOR = 1e-4
_UNITS = 30.0
_NUDGE = 8.0
_MARGIN = 4.0
"""The second and the third tolerance of the list above."""


@dataclass(frozen=True)
class Row:
    """The results of one part of the model.

    Attributes:
        values: One value for each image, in bits per dimension.
        tolerance: Largest difference that is allowed on another machine.
    """

    values: tuple[float, ...]
    tolerance: float


@dataclass(frozen=True)
class Probe:
    """What a model computes for a few images, or why that cannot be said.

    Attributes:
        reason: Why there is no probe; empty if there is one.
        images: The images' integers, packed.
        rows: Results of the whole model and of each of its parts.
        memory: What its components calibrated, such as the steps of solvers.
        draws: The first numbers of the random streams that the model may draw from.
    """

    reason: str = ""
    images: str = ""
    rows: Mapping[str, Row] = field(default_factory=dict)
    memory: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    draws: tuple[float, ...] = ()


_READER = TypeAdapter(Probe)


@dataclass(frozen=True)
class Deviation:
    """How a model differs from its probe.

    Attributes:
        row: The first part that differs.
        then: Its value in the probe, for the image where it differs most.
        now: Its value now; None where nothing could be computed.
        problem: Why nothing could be computed.
    """

    row: str
    then: float
    now: float | None
    problem: str = ""


def take_probe(flow: Flow, images: IntegerImages | None = None) -> Probe:
    """Return the probe of a model. It never raises: a model that cannot be probed says why.

    Args:
        flow: The model; it is not changed.
        images: The images to use; by default samples, or a gradient of grey if the model cannot be sampled.
    """
    count = 2 if flow.dimensions <= _SMALL else 1
    reason = ""
    for source in (_sampled, _graded) if images is None else (lambda *_: images,):
        try:
            with _plain_precision(flow):
                chosen = source(flow, count)
                assert chosen is not None, "images are given or made"
                return _take(flow, chosen)
        except NotInitialisedError:
            return Probe("it has not seen the data that it takes its state from")
        except NumericalError:
            reason = reason or "its log-likelihood is not finite"
        except (
            Exception,
            SystemExit,
        ) as error:  # an exception of a plugin must not prevent saving
            reason = reason or one_line(error)
    return Probe(reason)


def read_probe(plain: Any, source: Path) -> Probe:
    """Return the probe that plain data holds.

    Args:
        plain: As ``dataclasses.asdict`` returned it and JSON kept it.
        source: The file that it stands in.

    Raises:
        SavedModelError: The data are no probe.
    """
    try:
        return _READER.validate_python(plain)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in ("probe", *first["loc"]))
        raise SavedModelError(f"{source} is damaged: {where}: {first['msg']}; copy it again") from error


def images_of(probe: Probe, flow: Flow) -> IntegerImages:
    """Return a probe's images.

    Raises:
        ValueError: The images are damaged, or belong to another model.
    """
    storage = np.dtype(_storage(flow.bins))
    most = 2 * flow.dimensions * storage.itemsize
    packed = base64.b64decode(probe.images, validate=True)
    content = zlib.decompressobj().decompress(packed, most + 1)
    if not content or len(content) > most or len(content) % (flow.dimensions * storage.itemsize):
        raise ValueError("its images do not have the model's shape")
    values = np.frombuffer(content, dtype=storage).astype(np.int64)
    return torch.from_numpy(values).reshape(-1, *flow.image_shape)


def deviation(flow: Flow, probe: Probe) -> Deviation | None:
    """Return how a model differs from a probe; None if it does not, or if that cannot be judged.

    Raises:
        ValueError: The probe is damaged.
    """
    if probe.reason or flow.device.type == "meta":
        return None
    images = images_of(probe, flow)
    if any(len(row.values) != len(images) for row in probe.rows.values()) or WHOLE not in probe.rows:
        raise ValueError("it does not have one value for each image")
    warm_start = WarmStart(flow, probe.memory)
    warm_start.frozen = True
    whole = probe.rows[WHOLE].values[0]
    try:
        with _plain_precision(flow):
            rows = _rows(flow, images, _with_noise(flow, images), warm_start)
    except (Exception, SystemExit) as error:
        found: Deviation | None = Deviation(WHOLE, whole, None, one_line(error))
    else:
        found = _first(probe.rows, rows)
    return found if found is None or _draws_alike(probe) else None


def _take(flow: Flow, images: IntegerImages) -> Probe:
    warm_start = WarmStart(flow)
    x = _with_noise(flow, images)
    rows = _rows(flow, images, x, warm_start)
    warm_start.frozen = True
    unit = torch.finfo(flow.dtype).eps
    nudged = _rows(flow, images, x * (1.0 - _NUDGE * unit), warm_start)
    return Probe(
        images=_packed(images, flow.bins),
        rows={
            name: Row(
                tuple(values.tolist()),
                max(_FLOOR, _UNITS * unit, _MARGIN * float((nudged[name] - values).abs().max())),
            )
            for name, values in rows.items()
        },
        memory=warm_start.state(),
        draws=_draws(),
    )


def _rows(flow: Flow, images: IntegerImages, x: Images, warm_start: WarmStart) -> dict[str, Tensor]:
    terms = flow.terms(
        x, Call(generator=per_image_generators(0, range(len(x))), solver=Solving(warm_start=warm_start))
    )
    rows = {
        WHOLE: bits_per_dim(terms.total(), flow.dimensions, flow.bins),
        "the pixel transform": nats_to_bits(-terms.pixels, flow.dimensions),
    }
    if type(flow.dequantisation) is not Uniform:
        call = Call(generator=per_image_generators(0, range(len(x))))
        rows["the dequantisation"] = nats_to_bits(flow.dequantise(images, call).log_q, flow.dimensions)
    for place, (level, shape) in enumerate(zip(terms.levels, flow.latent_shapes, strict=True)):
        for name, nats in level._asdict().items():
            rows[f"the {name} of level {place}"] = nats_to_bits(-nats, max(1, torch.Size(shape).numel()))
    if flow.classes:
        generators = per_image_generators(0, range(len(x)))
        call = Call(generator=generators, solver=Solving(warm_start=warm_start))
        given = flow.log_prob(x, call, labels=torch.arange(len(x)) % flow.classes)
        rows["the density given a class"] = bits_per_dim(given, flow.dimensions, flow.bins)
    plain = {name: values.detach().double().cpu() for name, values in rows.items()}
    if not all(bool(values.isfinite().all()) for values in plain.values()):
        raise NumericalError("a part of the log-likelihood is not finite")
    return plain


def _first(then: Mapping[str, Row], now: Mapping[str, Tensor]) -> Deviation | None:
    """Return the first part that differs, finest level first; the whole where no part does."""
    parts = [name for name in then if name != WHOLE]
    for name in (*parts, WHOLE):
        row = then[name]
        if name not in now:
            return Deviation(WHOLE, then[WHOLE].values[0], None, f"the model has no part {name} any more")
        off = (now[name] - torch.tensor(row.values, dtype=torch.float64)).abs()
        if not bool((off <= row.tolerance).all()):
            place = int(off.argmax())
            return Deviation(name, row.values[place], float(now[name][place]))
    return None


@contextmanager
def _plain_precision(flow: Flow) -> Iterator[None]:
    """Compute without gradients, and in the model's own precision whatever is set around it."""
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    try:
        with torch.no_grad(), torch.autocast(flow.device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def _sampled(flow: Flow, count: int) -> IntegerImages:
    """Return samples: a model is well-conditioned on its own samples, if anywhere."""
    return quantise(flow.sample(count, seed=0), flow.bins).cpu()


def _graded(flow: Flow, count: int) -> IntegerImages:
    channels, height, width = flow.image_shape
    slope = torch.linspace(0.25, 0.75, height).reshape(-1, 1) + torch.linspace(-0.1, 0.1, width)
    image = (slope * flow.bins).long().clamp(0, flow.bins - 1)
    return image.expand(count, channels, height, width)


def _with_noise(flow: Flow, images: IntegerImages) -> Images:
    """Return the images with noise that is the same everywhere, since no random generator draws it."""
    content = hashlib.shake_256(b"flowzoo").digest(4 * images.numel())
    noise = np.frombuffer(content, dtype="<u4").astype(np.float64) / 2**32
    x = (images.double() + torch.from_numpy(noise).reshape(images.shape)) / flow.bins
    single = flow.device.type == "mps"
    x = x.to(torch.float32 if single else torch.float64)
    return x.clamp(max=1.0 - torch.finfo(x.dtype).eps / 2)


def _packed(images: IntegerImages, bins: int) -> str:
    values = images.cpu().numpy().astype(_storage(bins))
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode("ascii")


def _storage(bins: int) -> str:
    return "<u1" if bins <= 2**8 else "<u2" if bins <= 2**16 else "<i8"


def _draws() -> tuple[float, ...]:
    (generator,) = per_image_generators(0, [0])
    call, blank = Call(generator=generator), torch.empty(3)
    drawn = torch.cat([call.normal(blank), call.uniform(blank), call.rademacher(blank)])
    return tuple(drawn.tolist())


def _draws_alike(probe: Probe) -> bool:
    """Whether this torch draws the same numbers. If not, a model that draws cannot be judged."""
    now = _draws()
    return len(now) == len(probe.draws) and np.allclose(now, probe.draws, atol=1e-4)
