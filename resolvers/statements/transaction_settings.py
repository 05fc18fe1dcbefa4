"""The settings of a statement's transaction, which triggers read."""

from collections.abc import Mapping, Sequence

from models.quota import Quota

_NO_LIMIT = 2**63 - 1
"""The greatest value of PostgreSQL's bigint."""


def at(place: str | None) -> Mapping[str, str]:
    """Return the setting by which a thing gets its place, where there is one."""
    return {} if place is None else {"app.place": place}


def within(quota: Quota) -> Mapping[str, str]:
    """Return the setting by which a statement may not go beyond the quota."""
    most = (_NO_LIMIT if limit is None else limit for limit in (quota.tasks, quota.bytes))
    return {"app.quota": " ".join(map(str, most))}


def together(keys: Sequence[int]) -> Mapping[str, str]:
    """Return the setting that says which tasks a statement changes alike.

    A subtask and its parent may be among them, and come in any order.
    """
    return {"app.together": f"{{{','.join(map(str, keys))}}}"}


def noting(action: str) -> Mapping[str, str]:
    """Return the setting by which triggers note what the action with this key overwrites."""
    return {"app.action": action}


def naming(container: Mapping[str, int | None]) -> Mapping[str, str]:
    """Return the setting that says that a moved task is to be in a list, be it there already.

    Else one that comes below a parent goes into that one's list.
    """
    return {"app.list": "given"} if "list_id" in container else {}
