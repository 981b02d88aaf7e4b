"""The command that draws a picture of annealed samples."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import torch
from PIL import Image

import flowzoo

SHORT = ["--warmup", "3", "--steps", "2", "-n", "2"]


def anneal(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flowzoo", "anneal", *map(str, arguments), *SHORT]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_draws_three_rows(tmp_path: Path) -> None:
    glow = {"steps": 1, "network": {"hidden": 4}}
    model = flowzoo.create_model("wavelet-flow", (1, 4, 4), levels=2, seed=0, bijector=glow, last=glow)
    model.initialise([torch.rand(64, 1, 4, 4, generator=torch.Generator().manual_seed(0))])
    flowzoo.save_model(model, tmp_path / "run" / "model")
    out = tmp_path / "annealed.png"
    shown = anneal(tmp_path / "run", "--temperature", "0.9", "--out", out)
    assert shown.returncode == 0, shown.stderr
    with Image.open(out) as picture:
        width, height = picture.size
    assert width < height, "two columns, three rows"
    assert "annealed" in shown.stdout
    assert "level 0: 5 of 5" in shown.stderr


def test_a_mistake_is_one_line(tmp_path: Path) -> None:
    shown = anneal(tmp_path / "none")
    assert shown.returncode == 2
    assert shown.stderr.count("\n") == 1
