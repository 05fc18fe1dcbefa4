"""Calendar links: their type, and the inputs and results of their mutations."""

from datetime import datetime
from typing import Annotated

import strawberry

from graphql_schema.fields import created, idempotency_key, read
from graphql_schema.issues import InputIssue, values_issues
from graphql_schema.results import MESSAGE, InvalidInput, UserError
from graphql_schema.values import calendar_link_id, facts_with, given_values
from models.calendar_link import CALENDAR_LINK_FACTS, CALENDAR_LINKS_MAX, CalendarLinkRow
from models.fact import May

_NEW = facts_with(May.CREATE, CALENDAR_LINK_FACTS)


def _id(row: strawberry.Parent[CalendarLinkRow]) -> strawberry.ID:
    return calendar_link_id(row.id)


@strawberry.type(
    description="An address at which calendar programs read the owner's pending tasks that are due "
    f"on a day. Whoever knows it can read them. Each user has at most {CALENDAR_LINKS_MAX}."
)
class CalendarLink:
    id: strawberry.ID = strawberry.field(
        resolver=_id, description=f"{CALENDAR_LINK_FACTS['id'].says}."
    )
    name: str = read(CALENDAR_LINK_FACTS["name"])
    created_at: datetime = read(CALENDAR_LINK_FACTS["created_at"])
    last_used_at: datetime | None = read(CALENDAR_LINK_FACTS["last_used_at"])

    @classmethod
    def is_type_of(cls, value: object, _info: object) -> bool:
        return isinstance(value, CalendarLinkRow)


@strawberry.input(description="A new calendar link.")
class CreateCalendarLinkInput:
    name: str = created(CALENDAR_LINK_FACTS["name"])
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(values_issues(self, _NEW))

    @property
    def stored_name(self) -> str:
        """The name as it is stored."""
        return str(given_values(self, _NEW)["name"])


@strawberry.input(description="The calendar link to revoke.")
class RevokeCalendarLinkInput:
    id: strawberry.ID = strawberry.field(description="The id of the link.")
    idempotency_key: str | None = idempotency_key()


@strawberry.type(description="The link has been created.")
class CreateCalendarLinkSuccess:
    link: CalendarLinkRow = strawberry.field(
        graphql_type=CalendarLink, description="The new link, as it is now."
    )
    url: str | None = strawberry.field(
        description="The address to subscribe to: keep it secret. It is told once, for the server "
        "does not keep it; null where the mutation was sent again under its `idempotencyKey`. "
        "Where the server does not know its own address, it begins with `/`, and is one at the "
        "host of this API."
    )


@strawberry.type(description="The link leads nowhere any more.")
class RevokeCalendarLinkSuccess:
    revoked_link_id: strawberry.ID = strawberry.field(description="The id of the link.")


@strawberry.type(description="The caller has no calendar link with this id. Nothing was written.")
class CalendarLinkNotFound(UserError):
    message: str = strawberry.field(
        default="You have no calendar link with this id.", description=MESSAGE
    )


CreateCalendarLinkResult = Annotated[
    CreateCalendarLinkSuccess | InvalidInput,
    strawberry.union(
        "CreateCalendarLinkResult", description="The new calendar link, or why there is none."
    ),
]
RevokeCalendarLinkResult = Annotated[
    RevokeCalendarLinkSuccess | CalendarLinkNotFound,
    strawberry.union(
        "RevokeCalendarLinkResult", description="The revoked link, or why nothing changed."
    ),
]
