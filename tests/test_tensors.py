import torch
from torch import nn

from flowzoo.tensors import first_tensor, floating_dtype, floating_dtypes, is_replica, parameters_of


class Buffers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("order", torch.arange(3))
        self.register_buffer("nothing", None)
        self.register_buffer("spread", torch.ones(2, dtype=torch.float64))


def test_a_parameter_comes_before_any_buffer_and_numbers_before_integers() -> None:
    module = nn.Sequential(Buffers(), nn.Sequential(nn.Identity(), nn.Linear(2, 2).half()))

    assert first_tensor(module) is module[1][1].weight
    assert first_tensor(module[0]) is module[0].order
    assert floating_dtype(module) == torch.float16
    assert floating_dtype(module[0]) == torch.float64
    assert floating_dtypes(module) == [torch.float16, torch.float64]
    assert first_tensor(nn.Identity()) is None
    assert floating_dtype(nn.Identity()) is None


def test_the_first_is_torchs_first() -> None:
    module = nn.Sequential(nn.Sequential(nn.Identity(), nn.Linear(2, 2)), nn.Linear(2, 2))

    assert first_tensor(module) is next(module.parameters())
    assert all(
        ours is theirs for ours, theirs in zip(parameters_of(module), module.parameters(), strict=True)
    )


def test_a_replicas_tensors_stand_for_its_parameters() -> None:
    module = nn.Linear(2, 2)
    replica = module._replicate_for_data_parallel()
    replica.weight, replica.bias = torch.zeros(2, 2), torch.ones(2)

    assert is_replica(replica)
    assert not is_replica(module)
    assert [each.tolist() for each in parameters_of(replica)] == [[[0, 0], [0, 0]], [1, 1]]
    assert first_tensor(replica) is replica.weight
