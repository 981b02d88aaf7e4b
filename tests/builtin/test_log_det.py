import pytest
import torch

from flowzoo.builtin.log_det import constant_log_det, log_det_dtype


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_log_det_is_never_below_float32(given: torch.dtype, expected: torch.dtype) -> None:
    x = torch.zeros(3, 1, 2, 2, dtype=given)

    assert log_det_dtype(x) == expected
    assert constant_log_det(x, 1.5).dtype == expected
    assert constant_log_det(x, 1.5).tolist() == [1.5] * 3
