"""The record of a verification, which lies beside the record that was verified."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from flowzoo.digest import digest_of_file
from flowzoo.files import write_json

ENDING = ".verification.json"


@dataclass(frozen=True)
class Verification:
    """What was found when a model was measured again.

    Attributes:
        record: SHA-256 of the record's file. Another record is not verified by this.
        date: When, ISO 8601, UTC.
        by: Who did it, as they call themselves; empty if they do not say.
        versions: Versions of ``python``, ``torch``, ``flowzoo`` and the plugins that were installed.
        images: Number of images that were measured again.
        mean: Mean difference of their bits/dim, measured again minus recorded; None if nothing was measured.
        largest: Largest absolute difference of one image; None if nothing was measured.
        faults: What is wrong, a line each; empty if the record is confirmed.
    """

    record: str
    date: str
    by: str
    versions: dict[str, str]
    images: int
    mean: float | None
    largest: float | None
    faults: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the record is confirmed."""
        return not self.faults and self.images > 0


def verification_file(record: Path) -> Path:
    """Return the file of a record's verification.

    >>> verification_file(Path("results/quick/digits--glow.json")).as_posix()
    'results/quick/digits--glow.verification.json'
    """
    return record.with_suffix(ENDING)


def write_verification(record: Path, found: Verification) -> None:
    """Write a verification beside its record.

    Raises:
        FileError: It cannot be written there.
    """
    write_json(verification_file(record), asdict(found))


def read_verification(record: Path) -> Verification | None:
    """Return the verification of a record; None if there is none, or if it is of another record."""
    try:
        found = _READER.validate_json(verification_file(record).read_bytes())
        return found if found.record == digest_of_file(record) else None
    except (OSError, ValidationError):
        return None


_READER = TypeAdapter(Verification)
