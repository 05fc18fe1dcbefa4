"""What a token asks of the database: nothing, once its user was deleted."""

from auth.identity import Identity
from auth.refusals import Reason, refusal
from models.database import Database, Deletions
from models.statement import Row, Statement


class OfToken:
    """A database for whoever has a token that was issued after its user was last deleted."""

    def __init__(self, identity: Identity, database: Database, deletions: Deletions) -> None:
        self._identity = identity
        self._database = database
        self._deletions = deletions

    async def fetch(self, statement: Statement[Row]) -> list[Row]:
        """Run the statement, as `models.database.Database` has it.

        Raises:
            Unauthenticated: the user was deleted after the token was issued.
        """
        identity = self._identity
        if await self._deletions.include(identity.user_id, identity.issued_at):
            raise refusal(Reason.DELETED, explains=False)
        return await self._database.fetch(statement)
