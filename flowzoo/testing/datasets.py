"""Checks of data sets: their descriptions, and how they return images."""

from __future__ import annotations

import json
from dataclasses import asdict

import torch

from flowzoo.builtin.actnorm import ActNorm
from flowzoo.builtin.identity import IdentityBijector, IdentityTransform
from flowzoo.builtin.keep_nothing import KeepNothing
from flowzoo.data.batches import spread
from flowzoo.data.dataset import SPLITS, Dataset, DatasetInfo
from flowzoo.dequantisation import dequantise
from flowzoo.flow import Flow
from flowzoo.level import Level
from flowzoo.registry.build import build_component
from flowzoo.shapes import as_shape
from flowzoo.testing.contents import Contents, affordable, batches, read_contents
from flowzoo.testing.draws import global_state_left_alone
from flowzoo.testing.files import given_folders, listed_backwards, load
from flowzoo.testing.other_process import digests_in_another_process
from flowzoo.testing.result import CheckFailed, PassedWithNote, require
from flowzoo.testing.trial import Trial

FEW = 50
"""Number of images of each split that a check reads if a few show the fault."""

FEWEST_CHANNELS_LAST = 4
"""Images mostly have one, three or four channels. So few columns, with more channels, are probably
swapped."""


def describes_itself(trial: Trial) -> None:
    """What a figure must state about its data is there, and it is true."""
    dataset = load(trial)
    info = dataset.info
    for field in ("revision", "licence", "source"):
        require(bool(str(getattr(info, field)).strip()), f"{field} is empty")
    require(
        info.name == trial.component.name, f"its name is '{info.name}', expected '{trial.component.name}'"
    )
    require(
        isinstance(info.bins, int) and 2 <= info.bins <= 256,
        f"bins is {info.bins!r}, expected 2..256 for uint8 images",
    )
    _require_channels_first(info)
    for split in SPLITS:
        size = len(dataset.split(split))
        require(size > 0, f"split '{split}' is empty")
        require(
            info.sizes.get(split) == size,
            f"info.sizes states {info.sizes.get(split)} images for '{split}', but it has {size}",
        )
    if info.revisions:
        stated = {split for split in SPLITS if str(info.revisions.get(split, "")).strip()}
        require(stated == set(SPLITS), f"info.revisions has {sorted(stated)}, expected all splits")
    try:
        plain = json.loads(json.dumps(asdict(info)))
    except (TypeError, ValueError) as error:
        raise CheckFailed(f"its description cannot be written as JSON: {error}") from error
    require(
        plain["pixels"] == dict(info.pixels), "info.pixels changes when it is written as JSON and read again"
    )


def suits_a_model(trial: Trial) -> None:
    """A model with the recommended pixel transform gives finite bits per dimension of its images."""
    dataset = load(trial)
    info = dataset.info
    options = dict(info.pixels)
    pixels = build_component("bijector", options.pop("name"), info.shape, None, **options)
    last = Level(IdentityTransform(), IdentityBijector(), KeepNothing(), ActNorm(info.shape[0]))
    flow = Flow(info.shape, [last], pixels, info.bins)
    train = dataset.split("train")
    flow.initialise([dequantise(train.take(spread(len(train), FEW)), info.bins)])
    for split in SPLITS:
        source = dataset.split(split)
        bits = flow.bits_per_dim(source.take(spread(len(source), FEW)))
        require(bool(bits.isfinite().all()), f"bits per dimension of split '{split}' are not finite")


def holds_integers(trial: Trial) -> None:
    """Images are uint8 on the CPU, of the stated shape, with values in ``{0, ..., bins - 1}``."""
    dataset = load(trial)
    for split in SPLITS:
        source = dataset.split(split)
        for images in batches(source, affordable(source)):
            what = f"split '{split}'"
            require(images.dtype == torch.uint8, f"{what} is in {images.dtype}, expected uint8")
            require(images.device.type == "cpu", f"{what} is on {images.device}, expected the CPU")
            shape = tuple(images.shape[1:])
            require(shape == dataset.info.shape, f"{what} has shape {shape}, stated is {dataset.info.shape}")
            largest = int(images.max())
            require(
                largest < dataset.info.bins, f"{what} holds {largest}, stated are {dataset.info.bins} bins"
            )


def takes_by_index(trial: Trial) -> None:
    """Images come in the requested order, however often, and the caller may change them."""
    dataset = load(trial)
    for split in SPLITS:
        source = dataset.split(split)
        last = len(source) - 1
        what = f"split '{split}'"
        first, *middle, final_image = source.take([0, last, last, 0])
        require(torch.equal(first, final_image), f"{what} returns two different images at index 0")
        require(torch.equal(middle[0], middle[1]), f"{what} returns two different images at index {last}")
        require(torch.equal(source.take([last])[0], middle[0]), f"{what} mixes up indices")
        places = spread(len(source), FEW)
        order = torch.randperm(len(places), generator=torch.Generator().manual_seed(0)).tolist()
        mixed = [places[place] for place in order]
        together = source.take(places)
        require(torch.equal(source.take(mixed), together[order]), f"{what} mixes up indices out of order")
        require(torch.equal(source.take(tuple(places)), together), f"{what} differs for a list and a tuple")
        start = range(min(3, len(source)))
        require(
            torch.equal(source.take(start), source.take([*start])), f"{what} differs for a list and a range"
        )
        kept = together.clone()
        together.fill_(0)
        require(
            torch.equal(source.take(places), kept),
            f"{what} returns its own memory, and a change of a batch changes it; return a copy",
        )
        _require_end(dataset, split)


def loads_the_same(trial: Trial) -> None:
    """Two loads give the same images in the same order, however the folder's files are listed."""
    first = load(trial)
    contents = read_contents(first)
    _require_same(load(trial), first, contents, "two loads")
    if given_folders(trial):
        with listed_backwards():
            again = load(trial)
            _require_same(again, first, contents, "with files listed in another order, two loads")
    _note_what_was_left_out(contents)


def loads_the_same_elsewhere(trial: Trial) -> None:
    """Another process loads the same images in the same order, under the same revision."""
    dataset = load(trial)
    here = {split: [each.hex() for each in found.digests] for split, found in read_contents(dataset).items()}
    there = digests_in_another_process(trial)
    require(
        there.pop("revision") == [dataset.info.revision], "another process loads it under another revision"
    )
    for split in SPLITS:
        same = sorted(here[split]) == sorted(there[split])
        require(same, f"another process loads other images in split '{split}'")
        require(
            here[split] == there[split],
            f"another process loads split '{split}' in another order; sort the images, for example by name",
        )


def keeps_splits_apart(trial: Trial) -> None:
    """No image is in two splits, except for the fraction that the component's Check allows, with a reason."""
    contents = read_contents(load(trial))
    for looked_at, other in (("test", "train"), ("validation", "train"), ("test", "validation")):
        known = set(contents[other].digests)
        shared = sum(each in known for each in contents[looked_at].digests)
        count = len(contents[looked_at].digests)
        require(
            shared <= trial.check.tolerance * count,
            f"{shared} of {count} images of '{looked_at}' are in '{other}' as well; remove them there. If "
            "the source itself has them, allow this fraction in Check(tolerance=..., reason=...)",
        )
    _note_what_was_left_out(contents)


def leaves_global_state_alone(trial: Trial) -> None:
    """Neither loading nor taking images draws from the global random state or sets it."""
    load(trial)
    with global_state_left_alone("loading"):
        dataset = trial.make(trial)
    for split in SPLITS:
        with global_state_left_alone(f"taking images of split '{split}'"):
            dataset.split(split).take([0])


def _require_channels_first(info: DatasetInfo) -> None:
    channels, height, width = as_shape(info.shape)
    require(
        not (width <= FEWEST_CHANNELS_LAST < min(channels, height)),
        f"its shape is {info.shape}, which looks like (height, width, channels); expected (channels, height, "
        "width), so move the last axis of the images to the front",
    )


def _require_end(dataset: Dataset, split: str) -> None:
    source = dataset.split(split)
    try:
        source.take([len(source)])
    except Exception:
        return
    raise CheckFailed(f"split '{split}' has the length {len(source)}, but returns one more image")


def _require_same(found: Dataset, expected: Dataset, contents: dict[str, Contents], what: str) -> None:
    for split, other in read_contents(found).items():
        require(contents[split].same_images(other), f"{what} differ in split '{split}'")
        require(contents[split] == other, f"{what} differ in the order of split '{split}'")
    require(found.info == expected.info, f"{what} have different descriptions")


def _note_what_was_left_out(contents: dict[str, Contents]) -> None:
    parts = [f"{len(found.digests):,} of '{split}'" for split, found in contents.items() if not found.whole]
    if parts:
        raise PassedWithNote(f"only some of the images were checked: {', '.join(parts)}")
