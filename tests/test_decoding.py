"""What becomes of the values of image files: kept, changed in a way that is said, or refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from flowzoo.decoding import decode_explained, decode_image
from flowzoo.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
COLOUR = Image.fromarray(PIXELS)
GREY = Image.fromarray(PIXELS[..., 0])
OTHER = Image.fromarray(PIXELS[::-1].copy())
TURNED = Image.Exif()
TURNED[0x0112] = 6
SRGB, XYZ = (ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes() for name in ("sRGB", "XYZ"))


def encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def deep_png(kind, channels):
    """A PNG of 16 bits a value, which Pillow itself does not write in colour."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + bytes(range(4 * channels * 2)) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def deep_tiff():
    """A TIFF of 4x4 pixels, 16 bits a value, in colour."""
    entries = {256: 4, 257: 4, 258: 118, 259: 1, 262: 2, 273: 124, 277: 3, 278: 4, 279: 96}
    assert 8 + 2 + 12 * len(entries) == 118
    tags = b"".join(
        struct.pack("<HHII", tag, 3 if tag == 258 else 4, 3 if tag == 258 else 1, value)
        for tag, value in entries.items()
    )
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + tags
    return head[:118] + struct.pack("<HHH", 16, 16, 16) + bytes(96)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF"])
def test_values_of_lossless_files_are_kept(form):
    assert np.array_equal(np.asarray(decode_image(encoded(COLOUR, form))), PIXELS)


def test_values_of_a_gif_are_those_of_its_palette():
    assert np.array_equal(np.asarray(decode_image(encoded(GREY, "GIF")).convert("L")), PIXELS[..., 0])


@pytest.mark.parametrize(
    ("content", "said"),
    {
        "16-bit grey": (deep_png(0, 1), "16 bits"),
        "16-bit colour, which Pillow cuts without a word": (deep_png(2, 3), "16 bits"),
        "16-bit grey with alpha": (deep_png(4, 2), "16 bits"),
        "16-bit colour with alpha": (deep_png(6, 4), "16 bits"),
        "16-bit colour in a TIFF": (deep_tiff(), "16 bits"),
        "16-bit colour in a PPM": (b"P6\n4 4\n65535\n" + bytes(96), "16 bits"),
        "32-bit integers": (encoded(Image.new("I", (4, 4)), "TIFF"), "integers"),
        "floats": (encoded(Image.new("F", (4, 4)), "TIFF"), "floating"),
        "another colour space": (encoded(Image.new("LAB", (4, 4)), "TIFF"), "LAB"),
        "nothing": (b"", "empty"),
        "a web page": (b"\n<!DOCTYPE html><title>404</title>", "web page"),
        "a text": (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        "a part of an image": (encoded(COLOUR, "PNG")[:120], "cut short"),
    }.values(),
)
def test_what_cannot_be_read_as_it_is_is_refused(content, said):
    with pytest.raises(DataError, match=said):
        decode_image(content)


def test_an_image_with_far_too_many_pixels_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(DataError, match="20 pixels at most"):
        decode_image(encoded(COLOUR, "PNG"))


@pytest.mark.parametrize("place", range(60, 200, 20))
def test_a_flipped_bit_in_a_png_is_found(place):
    content = bytearray(encoded(COLOUR, "PNG"))
    content[place] ^= 0x10
    with pytest.raises(DataError):
        decode_image(bytes(content))


@pytest.mark.parametrize(
    ("content", "expected"),
    {
        "colour": (encoded(COLOUR, "PNG"), []),
        "grey": (encoded(GREY, "PNG"), []),
        "JPEG": (encoded(COLOUR, "JPEG"), []),
        "JPEG in sRGB": (encoded(COLOUR, "JPEG", icc_profile=SRGB), []),
        "alpha": (encoded(COLOUR.convert("RGBA"), "PNG"), ["alpha"]),
        "grey with alpha": (encoded(GREY.convert("LA"), "PNG"), ["alpha"]),
        "palette": (encoded(COLOUR.convert("P"), "PNG"), ["palette"]),
        "palette with alpha": (
            encoded(COLOUR.convert("P"), "PNG", transparency=b"\0\x80"),
            ["alpha", "palette"],
        ),
        "1 bit": (encoded(GREY.convert("1"), "PNG"), ["1 bit"]),
        "1 bit in a TIFF": (encoded(GREY.convert("1"), "TIFF"), ["1 bit"]),
        "CMYK": (encoded(COLOUR.convert("CMYK"), "JPEG"), ["CMYK"]),
        "turned": (encoded(COLOUR, "JPEG", exif=TURNED), ["orientation"]),
        "turned TIFF": (encoded(COLOUR, "TIFF", exif=TURNED), ["orientation"]),
        "another profile": (encoded(COLOUR, "JPEG", icc_profile=XYZ), ["profile"]),
        "animated GIF": (
            encoded(COLOUR, "GIF", save_all=True, append_images=[OTHER]),
            ["palette", "first of"],
        ),
        "animated PNG": (encoded(COLOUR, "PNG", save_all=True, append_images=[OTHER]), ["first of"]),
        "animated WebP": (encoded(COLOUR, "WEBP", save_all=True, append_images=[OTHER]), ["first of"]),
        "pages": (encoded(COLOUR, "TIFF", save_all=True, append_images=[OTHER]), ["first of"]),
        "JPEG 2000": (encoded(COLOUR, "JPEG2000"), ["JPEG2000"]),
    }.values(),
)
def test_each_change_of_values_is_named(content, expected):
    _, found = decode_explained(content)
    assert len(found) == len(expected)
    assert all(
        word in change for word, change in zip(expected, sorted(found, key=_order(expected)), strict=True)
    )


def _order(expected):
    return lambda change: next(
        (place for place, word in enumerate(expected) if word in change), len(expected)
    )


def test_few_bits_are_stretched_as_png_says():
    content = encoded(Image.fromarray(np.array([[0, 1, 2, 3]], np.uint8)).convert("P"), "PNG", bits=2)
    grey = bytearray(content)
    grey[25] = 0  # the colour type: grey instead of a palette
    grey[29:33] = struct.pack(">I", zlib.crc32(bytes(grey[12:29])))
    at = grey.index(b"PLTE") - 4
    del grey[at : at + 12 + struct.unpack(">I", grey[at : at + 4])[0]]
    assert np.asarray(decode_image(bytes(grey))).tolist() == [[0, 85, 170, 255]]
    assert decode_explained(bytes(grey))[1] == ["fewer than 8 bits a value stretched to 0..255"]


def test_the_first_of_several_pictures_is_used():
    content = encoded(COLOUR, "TIFF", save_all=True, append_images=[OTHER])
    assert np.array_equal(np.asarray(decode_image(content)), PIXELS)


def test_converting_a_palette_with_alpha_warns_of_nothing():
    image = decode_image(encoded(COLOUR.convert("P"), "PNG", transparency=b"\0\x80"))
    assert image.convert("RGB").size == (8, 8)
