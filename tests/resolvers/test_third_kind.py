"""A third kind of things that users own, in this test alone: what it gets for being a kind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import psycopg
import pytest
from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text, bindparam

from app.database.pipelined import PipelinedDatabase
from graphql_schema.lists import ListCursor
from models.database import AlreadyThere, Refused, Rule
from models.fact import Fact, May
from models.instant import Instant
from models.statement import Sql, Statement
from models.user import UserId
from resolvers.statements import idempotency_keys, owned, pages, removals
from resolvers.statements.compiling import row_maker
from resolvers.statements.kind import Kind
from resolvers.statements.lists import LIST, create_list
from resolvers.statements.pages import Stretch, position
from resolvers.statements.tasks import TASK
from tests.api import settings_for
from tests.databases import Database
from tests.shapes import ROOM

ADA, EVE = UserId("ada"), UserId("eve")

# From here on, all that there is of notes. Their triggers call the functions of lists.

TABLE = """
CREATE TABLE notes (LIKE task_lists INCLUDING ALL);
ALTER TABLE notes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY notes_owner ON notes TO todo_api
    USING (user_id = current_setting('app.user_id', true))
    WITH CHECK (user_id = current_setting('app.user_id', true));
GRANT SELECT, DELETE, INSERT, UPDATE (name, position, deleted_at) ON notes TO todo_api;
CREATE TRIGGER a_lock_owner BEFORE INSERT OR UPDATE OR DELETE ON notes
    FOR EACH STATEMENT EXECUTE FUNCTION lock_owner();
CREATE TRIGGER b_note_new BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION note_new_list();
CREATE TRIGGER b_note_changed BEFORE UPDATE ON notes
    FOR EACH ROW EXECUTE FUNCTION note_changed_list();
CREATE TRIGGER note_what_is_gone AFTER DELETE ON notes REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION note_what_lists_are_gone();
"""


class NoteRow(NamedTuple):
    """A note."""

    id: int
    name: str
    position: str
    updated_at: Instant
    deleted_at: Instant | None
    version: int


NOTES = Table(
    "notes",
    MetaData(),
    *(Column("user_id", Text), Column("id", BigInteger), Column("name", Text)),
    *(Column("position", Text(collation="C")), Column("version", Integer)),
    *(Column("updated_at", DateTime(timezone=True)), Column("deleted_at", DateTime(timezone=True))),
)
NOTE = Kind(NOTES, TASK.counter, NoteRow._fields, row_maker(NoteRow))
ORDER = Fact("position", "", May(0), NOTES.c.position, None, may_be_blank=True, max_length=None)

CREATE = owned.create(NOTE, {n: bindparam(n, type_=NOTES.c[n].type) for n in ("id", "name")})
FIND, FIND_ANYWHERE = owned.find(NOTE), owned.find_anywhere(NOTE)
CHANGE = owned.change_one(NOTE, {"name": bindparam("name", type_=Text)})
DELETE, RESTORE, REMOVE = (
    owned.delete_one(NOTE),
    owned.restore_one(NOTE),
    removals.remove_many(NOTE),
)
REPLAY = idempotency_keys.replay(NOTE)
FEED = pages.feed(TASK, LIST, NOTE)


def page_of(*places: str) -> Sql[NoteRow]:
    stretch = Stretch([[NOTE.is_live]], places)
    return pages.page(NOTE, [stretch], ORDER, read_descending=False, descending=False)


# That was all.


class Notes:
    """A user's notes."""

    def __init__(self, database: PipelinedDatabase, owner: UserId) -> None:
        self._database = database
        self._owner = owner

    async def run(self, sql: Sql[Any], **values: object) -> list[Any]:
        return await self._database.fetch(Statement(sql, self._owner, values))

    async def one(self, sql: Sql[Any], key: int, expected: int | None = None, **more: Any) -> Any:
        found = await self.run(sql, key=key, expected_version=expected, **more)
        return found[0] if found else None


@pytest.fixture
def notes_database(migrated_database: Database) -> Database:
    with psycopg.connect(migrated_database.superuser_url) as connection:
        connection.execute(TABLE)
        connection.execute("INSERT INTO users (id, name) VALUES ('ada', 'Ada'), ('eve', 'Eve')")
    return migrated_database


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[PipelinedDatabase]:
    shared = PipelinedDatabase(database.server_url, settings_for(database.server_url))
    await shared.open()
    try:
        yield shared
    finally:
        await shared.close()


async def test_a_third_kind_has_all_that_kinds_have(notes_database: Database) -> None:
    async with opened(notes_database) as database:
        ada, eve = Notes(database, ADA), Notes(database, EVE)
        made = [(await ada.run(CREATE, id=None, name=name))[0] for name in "abc"]
        assert [row.version for row in made] == [1, 2, 3]
        first = made[0]

        # Versions, conflicts and changes of nothing.
        changed = await ada.one(CHANGE, first.id, 1, name="A")
        assert (changed.name, changed.version) == ("A", 4)
        assert await ada.one(CHANGE, first.id, 1, name="B") is None
        assert await ada.one(CHANGE, first.id, name="A") == changed

        # The trash.
        deleted = await ada.one(DELETE, first.id)
        assert deleted.deleted_at is not None
        assert await ada.one(FIND, first.id) is None
        assert (await ada.one(FIND_ANYWHERE, first.id)) == deleted
        assert (await ada.one(RESTORE, first.id)).deleted_at is None

        # Pages.
        assert [row.name for row in await ada.run(page_of(), limit=2)] == ["A", "b"]
        after = position("after", ListCursor(made[1].position, made[1].id))
        assert [row.name for row in await ada.run(page_of("after"), limit=9, **after)] == ["c"]

        # Keys, and ids that are taken by any kind.
        statement = Statement(CREATE, ADA, {"id": None, "name": "once"})
        keyed = idempotency_keys.once(ADA, statement, "key", "request")
        (once,) = await database.fetch(keyed)
        with pytest.raises(AlreadyThere):
            await database.fetch(keyed)
        (replay,) = await ada.run(REPLAY, idempotency_key="key")
        assert replay.outcome == (once, once.version)
        made_list = create_list(ADA, {"id": None, "name": "list"}, ROOM, None)
        (list_row,) = await database.fetch(made_list)
        with pytest.raises(Refused) as refused:
            await ada.run(CREATE, id=list_row.id, name="x")
        assert refused.value.rule is Rule.ID_IS_FREE

        # The feed, with all kinds in the order of their versions.
        feed = [each.row for each in await ada.run(FEED, after_version=3, limit=9)]
        assert [type(row).__name__ for row in feed] == ["NoteRow", "NoteRow", "TaskListRow"]
        assert [row.version for row in feed] == sorted(row.version for row in feed)

        # Isolation.
        for sql in (FIND, FIND_ANYWHERE, DELETE, RESTORE):
            assert await eve.one(sql, first.id) is None
        assert await eve.run(page_of(), limit=9) == await eve.run(REMOVE, keys=[first.id]) == []
        assert await eve.run(FEED, after_version=0, limit=9) == []

        # What is removed raises the number from which the feed begins anew.
        await ada.one(DELETE, first.id)
        assert [gone.id for gone in await ada.run(REMOVE, keys=[row.id for row in made])] == [
            first.id
        ]
        (counter, *_) = await ada.run(FEED, after_version=0, limit=0)
        assert counter.purged_version == counter.version
