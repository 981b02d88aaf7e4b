"""Recognises names of folders that mean a split, and names that only look like one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from flowzoo.errors import DataError

TRAIN = ("train", "training")
VALIDATION = ("validation", "valid", "val", "dev")
TEST = ("test", "testing")

NAMES = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
"""The names of each split, in lower case; names of folders may be in any case."""

KNOWN = "train, validation or test (training, valid, val, dev and testing are understood too)"

_UNCLEAR = frozenset({"eval", "evaluation", "holdout", "heldout", "trn", "tst", "tests", "cv"})
"""Words that mean a split, but not always the same one."""

_STEMS = ("training", "train", "testing", "test", "validation", "valid", "holdout")

_GLUED = re.compile(r"(my)?(val|dev|eval)(set|split|data|images?|imgs?|[a-d])?")
"""Short words that are part of many others: they count only in such combinations."""

_ORDINARY = frozenset(
    {
        *("trains", "trainer", "trainers", "trainee", "trainees", "terrain", "terrains", "strain", "strains"),
        *("constrain", "restrain", "quatrain", "tester", "testers", "testament", "testimony", "testimonial"),
        *("testimonials", "contest", "contests", "protest", "protests", "attest", "detest", "invalid"),
        *(
            "latest",
            "greatest",
            "fastest",
            "lightest",
            "brightest",
            "hottest",
            "cutest",
            "shortest",
            "smartest",
        ),
        *(
            "softest",
            "quietest",
            "sweetest",
            "whitest",
            "wettest",
            "fattest",
            "flattest",
            "tightest",
            "neatest",
        ),
        *("straightest", "strictest", "validator"),
    }
)
"""Words that begin or end like a split's name by chance."""


def names_a_split(name: str, names: Iterable[str]) -> bool:
    """Whether the name of a folder or file is one of a split's names, alone or with other words.

    >>> [names_a_split(each, ("train",)) for each in ("Train", "train_64x64", "train2017", "trains")]
    [True, True, True, False]
    """
    return affixes(name, names) is not None


def affixes(name: str, names: Iterable[str]) -> tuple[str, str] | None:
    """Return the text before and after a split's name in a folder's name; None if it is not in it.

    >>> affixes("train_64x64", ("train",)), affixes("VAL", ("val",)), affixes("strain", ("train",))
    (('', '_64x64'), ('', ''), None)
    """
    word = "|".join(names)
    found = re.fullmatch(rf"({word})([\W\d_].*)?|(.*[\W\d_])({word})", name.casefold())
    if found is None:
        return None
    return found[3] or "", found[2] or ""


def looks_like_a_split(name: str) -> bool:
    """Whether a folder's name may mean a split.

    >>> [looks_like_a_split(each) for each in ("Test", "mytest", "trainA", "hold-out", "eval", "val set")]
    [True, True, True, True, True, True]
    >>> [looks_like_a_split(each) for each in ("cat", "contest", "terrain", "festival", "devices", "1")]
    [False, False, False, False, False, False]
    """
    text = name.casefold()
    words = re.findall(r"[^\W\d_]+", text)
    known = {each for names in NAMES.values() for each in names} | _UNCLEAR
    if "".join(words) in known or any(word in known for word in words):
        return True
    return any(
        _GLUED.fullmatch(word)
        or (word not in _ORDINARY and (word.startswith(_STEMS) or word.endswith(_STEMS)))
        for word in words
    )


def find_one(candidates: Iterable[str], names: tuple[str, ...], where: str) -> str | None:
    """Return the candidate that has the name of a split; None if there is none.

    Args:
        candidates: Names of folders.
        names: The names of the split.
        where: The folder that they lie in, for errors.

    Raises:
        DataError: There are several.
    """
    found = [each for each in candidates if names_a_split(each, names)]
    if len(found) > 1:
        raise DataError(
            f"in {where}, the folders {' and '.join(sorted(found))} could each be the split '{names[0]}'. "
            "Keep one of them, or put their images into one folder"
        )
    return found[0] if found else None


def split_of(name: str) -> str | None:
    """Return the split that the name of a folder or file means; None if it means none.

    >>> split_of("VAL_2"), split_of("cat")
    ('validation', None)
    """
    return next((split for split, names in NAMES.items() if names_a_split(name, names)), None)
