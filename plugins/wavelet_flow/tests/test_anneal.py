"""The command that draws a picture of annealed samples."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

import flowzoo
from flowzoo_wavelet_flow.anneal import main

SHORT = ["--warmup", "3", "--steps", "2", "-n", "2"]


def test_it_draws_three_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    glow = {"steps": 1, "network": {"hidden": 4}}
    model = flowzoo.create_model("wavelet-flow", (1, 4, 4), levels=2, seed=0, bijector=glow, last=glow)
    model.initialise([torch.rand(64, 1, 4, 4, generator=torch.Generator().manual_seed(0))])
    flowzoo.save_model(model, tmp_path / "run" / "model")
    out = tmp_path / "annealed.png"
    assert main([str(tmp_path / "run"), "--temperature", "0.9", "--out", str(out), *SHORT]) == 0
    with Image.open(out) as picture:
        width, height = picture.size
    assert width < height, "two columns, three rows"
    shown = capsys.readouterr()
    assert "annealed" in shown.out
    assert "level 0: 5 of 5" in shown.err


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none"), *SHORT]) == 2
    assert capsys.readouterr().err.count("\n") == 1
