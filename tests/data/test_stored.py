import io

import numpy as np
import pytest
from PIL import Image

from flowzoo.data.stored import ImageFiles, as_array, cut_and_scaled, decode_image, exactly
from flowzoo.errors import DataError


def encoded(image, form="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format=form, **options)
    return buffer.getvalue()


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_colour_comes_channels_first():
    pixels = noise(5, 7, 3)
    values = as_array(decode_image(encoded(Image.fromarray(pixels))), 3)
    assert np.array_equal(values, pixels.transpose(2, 0, 1))


def test_grey_is_repeated_for_colour():
    pixels = noise(5, 7)
    values = as_array(decode_image(encoded(Image.fromarray(pixels))), 3)
    assert np.array_equal(values, np.stack([pixels] * 3))


def test_colour_is_weighted_for_grey():
    pixels = noise(4, 4, 3)
    values = as_array(Image.fromarray(pixels), 1)
    expected = pixels @ np.array([0.299, 0.587, 0.114])  # ITU-R 601
    assert values.shape == (1, 4, 4)
    assert np.abs(values[0] - expected).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "CMYK"])
def test_other_modes_become_colour(mode):
    image = Image.new("RGB", (4, 4), (255, 255, 255)).convert(mode)
    form = "TIFF" if mode == "CMYK" else "PNG"
    assert (as_array(decode_image(encoded(image, form)), 3) == 255).all()


def test_an_image_is_turned_the_right_way_up():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the right
    content = encoded(Image.new("RGB", (20, 10)), "JPEG", exif=exif)
    assert decode_image(content).size == (10, 20)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_an_image_cut_short_is_refused(form):
    content = encoded(Image.fromarray(noise(32, 32, 3)), form)
    with pytest.raises(DataError, match="damaged"):
        decode_image(content[: len(content) // 2])


@pytest.mark.parametrize("content", [b"", b"no image at all"])
def test_what_is_no_image_is_refused(content):
    with pytest.raises(DataError):
        decode_image(content)


def test_sixteen_bits_are_refused_rather_than_clipped():
    image = Image.fromarray(np.full((4, 4), 40_000, np.uint16))
    with pytest.raises(DataError, match="I;16"):
        decode_image(encoded(image))


def test_exactly_refuses_another_size():
    with pytest.raises(DataError, match=r"4x6 .*4x4"):
        exactly(4, 4)(Image.new("RGB", (6, 4)))


def test_the_square_of_the_right_size_is_cut_without_scaling():
    pixels = noise(8, 14, 3)
    image = cut_and_scaled(8, 8)(Image.fromarray(pixels))
    assert np.array_equal(np.asarray(image), pixels[:, 3:11])


def test_scaling_down_averages():
    stripes = np.tile(
        np.array([0, 255], np.uint8), (64, 32)
    )  # point sampling would be all black or all white
    scaled = np.asarray(cut_and_scaled(8, 8)(Image.fromarray(stripes)))
    assert scaled.shape == (8, 8)
    assert np.abs(scaled.astype(int) - 127.5).max() < 5


def test_scaling_up_keeps_a_plain_colour():
    image = cut_and_scaled(16, 16)(Image.new("RGB", (4, 9), (10, 200, 30)))
    assert image.size == (16, 16)
    assert (np.asarray(image) == (10, 200, 30)).all()


def test_a_file_that_went_is_named(tmp_path):
    files = ImageFiles([tmp_path / "gone.png"])
    with pytest.raises(DataError, match=r"cannot read .*gone\.png: No such file or directory"):
        files.read([0])
