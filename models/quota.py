"""How much each user may have, and how much one has."""

from typing import NamedTuple


class Quota(NamedTuple):
    """How much each user may have; None: as much as they like."""

    tasks: int | None
    """Tasks, those in the trash among them."""
    bytes: int | None
    """Bytes of the tasks' texts, in UTF-8."""


class Stored(NamedTuple):
    """How much a user has, counted as `Quota` counts."""

    tasks: int
    bytes: int
