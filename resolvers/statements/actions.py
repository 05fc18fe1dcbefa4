"""The statements of actions: what a mutation with an idempotency key has done, and undoing it."""

from functools import cache
from typing import NamedTuple

from sqlalchemy import BigInteger, Integer, Text, bindparam, column, func, select

from models.quota import Quota
from models.statement import Sql, Statement
from models.user import UserId
from resolvers.statements import idempotency_keys
from resolvers.statements.compiling import compiled, named
from resolvers.statements.idempotency_keys import Replay
from resolvers.statements.kind import OWNER
from resolvers.statements.transaction_settings import within


class Undone(NamedTuple):
    """A task or a list that is as it was before the action, or in the trash if that made it."""

    id: int
    """There is no other thing of the owner's, of whatever kind, that has it."""


def undo_action(owner: UserId, action: str, quota: Quota) -> Statement[Undone]:
    """Take back what the action with this key has done, all of it.

    Nothing comes back where there is no such action that can be undone. It is refused by
    `Rule.UNCHANGED_SINCE` where anything has changed since.
    """
    return Statement(_undo_action(), owner, {"action": action}, within(quota))


def replay_undoing(owner: UserId, idempotency_key: str) -> Statement[Replay[Undone]]:
    """Return what was taken back under a key; no row where nothing was recorded."""
    return Statement(_replay_undoing(), owner, {"idempotency_key": idempotency_key})


@cache
@named
def _undo_action() -> Sql[Undone]:
    undone = func.undo_action(OWNER, bindparam("action", type_=Text)).table_valued(
        column("id", BigInteger), column("version", Integer), name="undone"
    )
    statement = select(undone.c.id, undone.c.version)
    return compiled(statement, lambda record: Undone(record[0]), writes=True)


@cache
@named
def _replay_undoing() -> Sql[Replay[Undone]]:
    return idempotency_keys.replay_ids(Undone)
