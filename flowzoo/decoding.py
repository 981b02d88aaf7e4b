"""Decodes image files, refuses some, and records changes of values."""

from __future__ import annotations

import io
import re
import warnings

from PIL import Image, ImageOps, UnidentifiedImageError

from flowzoo.errors import DataError

_EIGHT_BITS = frozenset({"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"})

_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})

_MORE_BITS = {"I": "32-bit integers", "F": "floating-point numbers"}

_KNOWN_FORMATS = frozenset({"PNG", "JPEG", "MPO", "BMP", "DIB", "GIF", "WEBP", "TIFF", "PPM"})
"""Pillow's names of the formats for which the number of bits of a value is known here."""

_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 258


def decode_image(content: bytes) -> Image.Image:
    """Decode an image file and turn it the right way up.

    A file that holds several pictures, such as an animation, gives the first one.

    Args:
        content: The bytes of a PNG, a JPEG or another file that Pillow reads.

    Raises:
        DataError: It is damaged, too large, or holds more than 8 bits a value, which would be cut off.
    """
    return decode_explained(content)[0]


def decode_explained(content: bytes) -> tuple[Image.Image, list[str]]:
    """Decode an image file, and return the changes of its values between the file and an array of bytes.

    Args:
        content: As for :func:`decode_image`.

    Returns:
        The image, and each kind of change; none for a plain grey or RGB image of 8 bits.

    Raises:
        DataError: As :func:`decode_image`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of odd metadata and large images
            opened = Image.open(io.BytesIO(content))
            _refuse_more_bits(opened)
            changes = _changes(opened)
            image = ImageOps.exif_transpose(opened)
            image.load()
    except DataError:
        raise
    except Image.DecompressionBombError as reason:
        most = 2 * (Image.MAX_IMAGE_PIXELS or 0)
        raise DataError(f"is too large: Pillow decodes {most:,} pixels at most. Scale it down") from reason
    except Exception as reason:  # Pillow's readers pass on struct, value, syntax and index errors
        raise DataError(
            f"is no image that can be read: {_cause(content, reason)}. Copy or download it again, or remove "
            "it"
        ) from reason
    # Otherwise Pillow warns at each conversion. Alpha is left out there.
    image.info.pop("transparency", None)
    return image, changes


def _changes(image: Image.Image) -> list[str]:
    # First, since Pillow forgets how the values are laid out once it has read a PNG up to its EXIF data.
    few_bits = image.mode == "L" and bits_a_value(image) < 8
    found = {
        "turned as EXIF's orientation says": image.getexif().get(_ORIENTATION, 1) in range(2, 9),
        "alpha channel left out": image.mode in _ALPHA or "transparency" in image.info,
        "colours looked up in a palette": image.mode in ("P", "PA"),
        "black and white, 1 bit a value, turned into 0 and 255": image.mode == "1",
        "fewer than 8 bits a value stretched to 0..255": few_bits,
        f"{image.mode} turned into RGB": image.mode in ("CMYK", "YCbCr"),
        "colour profile other than sRGB ignored": _has_other_profile(image),
        "first of several pictures in one file used": getattr(image, "is_animated", False),
        f"{image.format} read as 8 bits a value": image.format not in _KNOWN_FORMATS,
    }
    return [change for change, happens in found.items() if happens]


def _refuse_more_bits(image: Image.Image) -> None:
    """Refuse more than 8 bits a value, which Pillow cuts to 8 without a warning in colour images."""
    deep = _MORE_BITS.get(image.mode, "16 bits a value" if image.mode.startswith("I;") else "")
    if not deep and bits_a_value(image) > 8:
        deep = f"{bits_a_value(image)} bits a value"
    if deep:
        raise DataError(
            f"has more than 8 bits a value ({deep}, Pillow's mode {image.mode}). Convert it to 8 bits a value"
        )
    if image.mode not in _EIGHT_BITS:
        raise DataError(f"has colours that are not read (Pillow's mode {image.mode}). Convert it to RGB")


def bits_a_value(image: Image.Image) -> int:
    """Return the number of bits of a value in the file of an image. Pillow may keep only 8.

    Args:
        image: Opened from a file, and not decoded yet.
    """
    if image.format == "TIFF":
        bits = image.getexif().get(_BITS_PER_SAMPLE, 8)
        return max(bits) if isinstance(bits, tuple) else int(bits)
    # What Pillow's decoder is told: the layout of the values, for PPM with the largest value beside it.
    tiles = getattr(image, "tile", None)
    arguments = tiles[0].args if tiles else None
    if image.format == "PNG":
        layout = re.fullmatch(r"\w+;(\d+)B?", str(arguments))
        return int(layout[1]) if layout else 8
    if image.format == "PPM" and isinstance(arguments, tuple):
        return max((each.bit_length() for each in arguments if isinstance(each, int)), default=8)
    return 8


def _has_other_profile(image: Image.Image) -> bool:
    profile = image.info.get("icc_profile")
    if not profile:
        return False
    # The profile's description is text, in bytes or in UTF-16 by its version.
    return b"sRGB" not in profile and "sRGB".encode("utf-16-be") not in profile


def _cause(content: bytes, reason: Exception) -> str:
    if not content:
        return "the file is empty"
    if content.lstrip()[:1] == b"<":
        return "it holds a web page or other text"
    if content.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS; fetch the image with git lfs pull"
    if isinstance(reason, UnidentifiedImageError):
        return "it is not in an image format that Pillow reads"
    return "it is damaged, or it was cut short"
