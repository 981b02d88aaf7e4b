import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import pixel_unshuffle

from flowzoo.builtin.squeeze import Squeeze


def numbered(*shape: int) -> torch.Tensor:
    return torch.arange(torch.Size(shape).numel(), dtype=torch.float64).reshape(shape)


def test_is_offset_major() -> None:
    x = numbered(2, 3, 4, 6)

    y, _ = Squeeze()(x)

    for offset in range(4):
        for channel in range(3):
            rows, columns = offset // 2, offset % 2
            assert torch.equal(y[:, offset * 3 + channel], x[:, channel, rows::2, columns::2])


def test_is_a_reordering_of_pixel_unshuffle_which_is_colour_major() -> None:
    x = numbered(1, 3, 2, 2)
    colour_major = pixel_unshuffle(x, 2).unflatten(1, (3, 4))

    assert torch.equal(Squeeze()(x)[0], colour_major.transpose(1, 2).flatten(1, 2))
    assert not torch.equal(Squeeze()(x)[0], pixel_unshuffle(x, 2))


@settings(max_examples=25, deadline=None)
@given(channels=st.integers(1, 4), height=st.integers(1, 4), width=st.integers(1, 4))
def test_inverts_to_the_last_bit(channels: int, height: int, width: int) -> None:
    x = numbered(2, channels, 2 * height, 2 * width)

    y, log_det = Squeeze()(x)

    assert torch.equal(Squeeze().inverse(y), x)
    assert torch.equal(log_det, torch.zeros(2, dtype=torch.float64))
