"""Reading ahead in worker processes: the same images in the same order, and errors as without."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from flowzoo.data.batches import ShuffledBatches, sequential_batches
from flowzoo.data.dataset import Dataset
from flowzoo.data.inspection import inspect_dataset
from flowzoo.data.load import load_dataset
from flowzoo.data.read_ahead import ReadAhead, read_ahead
from flowzoo.data.stored import ImageFiles
from flowzoo.errors import DataError, OptionError
from flowzoo.experiment.parse import parse_experiment
from flowzoo.runfolder import RunFolder
from flowzoo.training.resume import resume_run
from flowzoo.training.start import start_run
from tests.training.test_runs import assert_same_weights
from tests.training.test_stop import FLOWZOO, SMALL, TRAINING

IMAGES = 30
STEPS = 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "images"
    root.mkdir()
    for place in range(IMAGES):
        pixels = np.random.default_rng(place).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{place:02}.png")
    return root


def load(folder: Path, workers: int = 2) -> Dataset:
    return read_ahead(load_dataset("images", root=folder, size=8, channels=1), workers)


def test_batches_their_states_and_what_follows_a_state_are_the_same_with_workers(folder: Path) -> None:
    plain, ahead = (ShuffledBatches(load(folder, count)["train"], 7, 3, True) for count in (0, 2))
    for _ in range(6):
        assert torch.equal(next(ahead), next(plain))
        assert ahead.state() == plain.state()
    state = json.loads(json.dumps(ahead.state()))
    ahead.close()
    assert torch.equal(next(ahead), next(plain))
    resumed = ShuffledBatches(load(folder)["train"], 7, 0, True)
    resumed.restore(state)
    plain.restore(state)
    assert all(torch.equal(*pair) for pair in islice(zip(resumed, plain, strict=False), 3))
    resumed.close()
    ahead.close()


def test_images_in_order_and_the_inspection_are_the_same_with_workers(folder: Path) -> None:
    (folder / "00.png").write_bytes((folder / "01.png").read_bytes())
    plain, ahead = load(folder, 0), load(folder)
    before = torch.get_rng_state()
    both = [[*sequential_batches(each["train"], 8, 20)] for each in (plain, ahead)]
    assert torch.equal(torch.get_rng_state(), before)
    for (indices, images), (others, theirs) in zip(*both, strict=True):
        assert indices == others
        assert torch.equal(images, theirs)
    assert inspect_dataset(ahead) == inspect_dataset(plain)
    assert len(ahead["train"]) == len(plain["train"])
    assert torch.equal(ahead["train"][3], plain["train"][3])


def test_a_damaged_image_is_named_in_one_line(folder: Path) -> None:
    ahead = load(folder)
    for path in folder.iterdir():
        path.write_bytes(b"no image")
    for use in (inspect_dataset, lambda data: next(sequential_batches(data["train"], 8))):
        with pytest.raises(DataError, match=r"images/\d\d\.png") as caught:
            use(ahead)
        assert "\n" not in str(caught.value)


def test_images_in_memory_need_no_workers(caplog: pytest.LogCaptureFixture) -> None:
    ahead = read_ahead(load_dataset("digits"), 2)
    assert not any(isinstance(source, ReadAhead) for source in ahead.splits.values())
    assert "digits" in caplog.text


@pytest.mark.parametrize("workers", [-1, "two", 1.5])
@pytest.mark.usefixtures("as_users_run_it")
def test_a_number_of_workers_that_is_none_is_refused(workers: int) -> None:
    with pytest.raises(OptionError, match="workers"):
        read_ahead(load_dataset("digits"), workers)


class Deadly(ImageFiles):
    """Ends the process that reads an image, as the system does where memory runs out."""

    def read(self, indices: Sequence[int]) -> list[bytes]:
        os.kill(os.getpid(), signal.SIGKILL)
        return []


def test_a_worker_that_is_killed_is_an_error_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = load(folder)
    monkeypatch.setattr(ImageFiles, "read", Deadly.read)
    with pytest.raises(DataError, match="--workers") as caught:
        next(ahead["train"].stream([[0, 1]]))
    assert "\n" not in str(caught.value)


@pytest.mark.shuffled
def test_ctrl_c_ends_training_and_its_workers_and_the_run_goes_on_without_them(
    folder: Path, tmp_path: Path
) -> None:
    data = {"root": str(folder), "size": 8, "channels": 1}
    settings = [f"data={data}", f"last={SMALL['last']}", f"training={TRAINING}", "levels=1"]
    command = [*FLOWZOO, "train", "realnvp", "--data", "images", "--steps", str(STEPS), "--workers", "2"]
    command += [part for each in settings for part in ("--set", each)]
    cut = tmp_path / "cut"
    process = subprocess.Popen(
        [*command, "--device", "cpu", "--out", str(cut)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    log = cut / "log.jsonl"
    while process.poll() is None and not (log.exists() and log.stat().st_size):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it, to the workers too
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said.count("stopping")) == (130, 1), said
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert RunFolder(cut).read().steps < STEPS
    resume_run(cut, device="cpu")
    asked = {"model": "realnvp", "data": "images", "data_options": data, "options": SMALL}
    experiment = parse_experiment({**asked, "budget": {"steps": STEPS}, "training": TRAINING})
    start_run(tmp_path / "whole", experiment, device="cpu")
    assert_same_weights(tmp_path / "whole", cut)
