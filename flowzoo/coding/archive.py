"""Images compressed by a model, as one file: a header in JSON, and the words of the stack."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from flowzoo.coding.local import LATENT_BITS, NOISE_BITS, SIGMA, Encoder, ImageCoder
from flowzoo.coding.stack import WORD, BitStack
from flowzoo.dequantisation import check_integers
from flowzoo.errors import DataError, FlowzooError, NumericalError, OptionError, ShapeError
from flowzoo.evaluation.density.jacobian import Way, choose_derivative
from flowzoo.exactness import Exactness
from flowzoo.flow import Flow
from flowzoo.shapes import IntegerImages

MAGIC = b"flowzoo images 1\n"
_LENGTH = struct.Struct("<I")

Progress = Callable[[int, int], object]


class ArchiveError(FlowzooError):
    """A compressed file that is damaged, or another model's."""


@dataclass(frozen=True)
class Header:
    """What a compressed file states of itself.

    Attributes:
        model: Digest of the model's weights.
        shape: ``(C, H, W)`` of the images.
        bins: Number of integers that a value can take.
        images: Number of images.
        digest: Digest of the images.
        way: How Jacobians were computed.
        settings: What the coder was set to.
        words: Number of words that follow.
        check: CRC-32 of the rest of the header and of these.
    """

    model: str
    shape: tuple[int, int, int]
    bins: int
    images: int
    digest: str
    way: Way
    settings: tuple[int, float, int]
    words: int
    check: int


_HEADER = TypeAdapter(Header)


@dataclass(frozen=True)
class Compressed:
    """Compressed images.

    Attributes:
        content: The file's content.
        images: Number of images.
        values: Number of their values.
        net_bits: Bits that the images added to the stack.
        initial_bits: Random bits that the stack had to begin with. They are part of the file too.
    """

    content: bytes
    images: int
    values: int
    net_bits: int
    initial_bits: int

    @property
    def bits_per_dim(self) -> float:
        """Length of the whole file, bits for each value."""
        return 8 * len(self.content) / self.values

    @property
    def net_bits_per_dim(self) -> float:
        """Length without the header and the initial bits, which matter less the more images there are."""
        return self.net_bits / self.values


def compress(
    flow: Flow, images: IntegerImages, *, seed: int = 0, progress: Progress = lambda done, count: None
) -> Compressed:
    """Compress images without loss by a model's density.

    The cost of an image is that of the model's Jacobian: as many products as it has values, and a
    decomposition of that size.

    Args:
        flow: The model: exact, and without solvers and random parts.
        images: ``(N, C, H, W)``, integers in ``{0, ..., bins - 1}``.
        seed: Seed of the bits that the stack begins with.
        progress: Called with the number of images that are done, and of all.

    Raises:
        OptionError: The model cannot code images.
        ShapeError: The images have another shape than the model's.
        DataError: There are no images, or they are not such integers.

    References:
        Ho, Lohn and Abbeel, "Compression with Flows via Local Bits-Back Coding", 2019.
    """
    if tuple(images.shape[1:]) != flow.image_shape:
        raise ShapeError(
            f"the model codes images of shape {flow.image_shape}, and these have {tuple(images.shape[1:])}"
        )
    if not len(images):
        raise DataError("there are no images to compress")
    images = images.to("cpu")
    check_integers(images, flow.bins)
    with _coding(flow) as coded:
        x = (images[:1].double() + 0.5) / flow.bins
        coder = ImageCoder(coded, choose_derivative(Encoder(coded, x.flatten(1))).way)
        stack = BitStack(seed=seed)
        before = stack.bits
        for done, image in enumerate(reversed(images.split(1))):  # the last one in is the first one out
            progress(done, len(images))
            coder.push(stack, image)
    progress(len(images), len(images))
    words = stack.words
    body = struct.pack(f"<{len(words)}I", *words)
    header = Header(
        model=_digest_of(flow),
        shape=flow.image_shape,
        bins=flow.bins,
        images=len(images),
        digest=_digest_of_images(images),
        way=coder.way,
        settings=_SETTINGS,
        words=len(words),
        check=0,
    )
    text = _text(replace(header, check=_checksum(header, body)))
    content = MAGIC + _LENGTH.pack(len(text)) + text + body
    return Compressed(content, len(images), images.numel(), stack.bits - before, WORD * stack.drawn)


def decompress(flow: Flow, content: bytes, *, progress: Progress = lambda done, count: None) -> IntegerImages:
    """Return the images, ``(N, C, H, W)``, uint8, that :func:`compress` compressed with the same model.

    Args:
        flow: The model.
        content: The file's content.
        progress: Called with the number of images that are done, and of all.

    Raises:
        ArchiveError: The content is damaged or cut short, it belongs to another model, or this machine
            computes something else than the one that compressed it.
        OptionError: The model cannot code images.
    """
    header, words = _parsed(content)
    same = header.shape == flow.image_shape and header.bins == flow.bins
    if header.model != _digest_of(flow) or not same:
        raise ArchiveError("these images were compressed with another model; decompress them with that one")
    with _coding(flow) as coded:
        coder = ImageCoder(coded, header.way)
        stack = BitStack.of(words)
        found = []
        for done in range(header.images):
            progress(done, header.images)
            try:
                found.append(coder.pop(stack))
            except (NumericalError, OverflowError, ValueError) as error:
                raise ArchiveError(_OTHER_ROUNDING) from error
    progress(header.images, header.images)
    images = torch.cat(found)
    if _digest_of_images(images) != header.digest:
        raise ArchiveError(_OTHER_ROUNDING)
    return images


_OTHER_ROUNDING = (
    "the images did not come back, since this machine rounds in another way than the one that compressed "
    "them. Use that machine, and the version of torch that it had"
)


_SETTINGS = (NOISE_BITS, SIGMA, LATENT_BITS)


def _parsed(content: bytes) -> tuple[Header, tuple[int, ...]]:
    start = len(MAGIC) + _LENGTH.size
    if not content.startswith(MAGIC):
        raise ArchiveError("this is not a file of flowzoo compress, or one of another version")
    try:
        (length,) = _LENGTH.unpack(content[len(MAGIC) : start])
        header = _HEADER.validate_json(content[start : start + length])
    except (struct.error, ValidationError) as error:
        raise ArchiveError("the header of the compressed file is damaged or cut short") from error
    if header.settings != _SETTINGS:
        raise ArchiveError(
            "another version of flowzoo made this compressed file; decompress it with that one"
        )
    body = content[start + length :]
    if len(body) != 4 * header.words or header.words < 3 or header.images < 1:
        raise ArchiveError(
            f"the compressed file is damaged or cut short: {len(body):,} bytes follow its header, "
            f"{4 * header.words:,} were expected"
        )
    if _checksum(header, body) != header.check:
        raise ArchiveError("the compressed file is damaged")
    return header, struct.unpack(f"<{header.words}I", body)


def _checksum(header: Header, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(_text(replace(header, check=0))))


def _text(header: Header) -> bytes:
    return json.dumps(_HEADER.dump_python(header, mode="json"), separators=(",", ":")).encode()


@contextmanager
def _coding(flow: Flow) -> Iterator[Flow]:
    """Yield a copy of a model in float64 on the CPU, with one thread, so that both ends round alike."""
    if flow.solves:
        raise OptionError(
            "the model solves ODEs, whose errors are larger than what the coder allows. Compress with a "
            "coupling flow, such as glow or wavelet-flow"
        )
    if flow.stochastic:
        raise OptionError(
            "part of what the model computes is random, so it has no latents that give the image back"
        )
    if flow.exactness is not Exactness.EXACT:
        raise OptionError("the model's likelihood is not exact, so it cannot code images")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield copy.deepcopy(flow).to(device="cpu", dtype=torch.float64).requires_grad_(False).eval()
    finally:
        torch.set_num_threads(threads)


def _digest_of(flow: Flow) -> str:
    digest = hashlib.sha256(repr((flow.image_shape, flow.bins)).encode())
    for name, values in sorted(flow.state_dict().items()):
        digest.update(name.encode())
        if isinstance(values, torch.Tensor):
            digest.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _digest_of_images(images: IntegerImages) -> str:
    return hashlib.sha256(images.to(torch.uint8).contiguous().numpy().tobytes()).hexdigest()


def ideal_bits(flow: Flow, images: IntegerImages, indices: range) -> float:
    """Return the model's bits/dim of images, what the length should be: the mean under one draw of noise."""
    with torch.no_grad():
        bits: Any = flow.bits_per_dim(images, indices=indices)
    return float(bits.double().mean()) if len(bits) else math.nan
