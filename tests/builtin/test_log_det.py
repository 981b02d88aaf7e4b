import copy
import math

import pytest
import torch

from flowzoo.builtin.log_det import MatrixLogDet, constant_log_det, log_det_dtype


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


def test_a_matrix_s_log_det_follows_its_changes_and_its_dtype() -> None:
    matrix, found = torch.eye(3) * 2.0, MatrixLogDet()
    assert float(found.of(matrix)) == pytest.approx(3 * math.log(2.0))
    matrix.mul_(2.0)
    assert float(found.of(matrix)) == pytest.approx(3 * math.log(4.0))
    assert found.of(matrix, torch.float64).dtype == torch.float64
    assert float(found.of(torch.eye(3))) == 0.0
    with torch.inference_mode():
        kept = found.of(matrix)
    assert not kept.is_inference()  # training may use it later
    assert found.of(matrix) == kept


def test_a_copy_does_not_take_an_old_log_det_for_that_of_the_copied_matrix() -> None:
    matrix, found = torch.eye(3), MatrixLogDet()
    found.of(matrix)
    matrix.mul_(2.0)  # a copy's count of changes is zero again, as it was before this change
    copied, copied_found = copy.deepcopy((matrix, found))
    assert float(copied_found.of(copied)) == pytest.approx(3 * math.log(2.0))


def test_nothing_of_a_transform_of_torch_func_is_kept() -> None:
    matrix, found = torch.eye(3) * 2.0, MatrixLogDet()
    x = torch.ones(2)

    def loss(x: torch.Tensor) -> torch.Tensor:
        return (found.of(matrix) * x * x).sum()

    twice = torch.func.grad(lambda x: torch.func.grad(loss)(x).sum())(x)
    torch.testing.assert_close(torch.func.grad(loss)(x), twice * x)
    assert found.of(matrix).grad_fn is None
