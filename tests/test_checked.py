"""Calls of parts through ``flowzoo.checked``."""

from __future__ import annotations

import torch

from flowzoo import checked
from flowzoo.builtin.squeeze import Squeeze
from flowzoo.call import EVALUATION


def test_images_that_were_made_in_inference_mode_are_taken() -> None:
    with torch.inference_mode():
        x = torch.rand(2, 1, 4, 4)
    with torch.no_grad():
        assert checked.transform(Squeeze(), x, EVALUATION)[0].shape == (2, 4, 2, 2)
