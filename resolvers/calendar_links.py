"""The query and the mutations of calendar links."""

from typing import Annotated

import strawberry

from auth.calendar_addresses import address_of, hash_of, new_secret
from auth.context import Info
from graphql_schema.calendar_links import (
    CalendarLinkNotFound,
    CreateCalendarLinkInput,
    CreateCalendarLinkSuccess,
    RevokeCalendarLinkInput,
    RevokeCalendarLinkSuccess,
)
from graphql_schema.errors import BadUserInput
from graphql_schema.issues import broken
from graphql_schema.results import InvalidInput
from graphql_schema.values import calendar_link_id, calendar_link_key
from models.calendar_link import CALENDAR_PATH, CALENDAR_SUFFIX, CalendarLinkRow
from models.database import Refused
from resolvers.idempotency import creations_of_links, removals
from resolvers.statements import calendar_links as statements


async def calendar_links(info: Info) -> list[CalendarLinkRow]:
    context = info.context
    return await context.database.fetch(statements.links(context.user_id))


async def create_calendar_link(
    info: Info,
    input: Annotated[CreateCalendarLinkInput, strawberry.argument(description="The new link.")],
) -> CreateCalendarLinkSuccess | InvalidInput:
    issues = input.issues()
    if issues:
        return InvalidInput(issues=issues)
    context, secret = info.context, new_secret()
    secret_hash = hash_of(secret)
    statement = statements.create_link(context.user_id, input.stored_name, secret_hash)
    try:
        made = await creations_of_links(context, input, statement)
    except Refused as refused:
        return InvalidInput(issues=list(broken(refused.rule)))
    if not made:
        raise BadUserInput(
            "The calendar link that was created with this `idempotencyKey` has been revoked since: "
            "take a new key to create another."
        )
    path = f"{CALENDAR_PATH}{address_of(context.user_id, secret)}{CALENDAR_SUFFIX}"
    # Of a link that this key made before, the secret is not known any more.
    is_new = made[0].secret_hash == secret_hash
    url = f"{context.public_url}{path}" if is_new else None
    return CreateCalendarLinkSuccess(link=made[0].row, url=url)


async def revoke_calendar_link(
    info: Info,
    input: Annotated[RevokeCalendarLinkInput, strawberry.argument(description="The link.")],
) -> RevokeCalendarLinkSuccess | CalendarLinkNotFound:
    key, context = calendar_link_key(input.id), info.context
    if key is None:
        return CalendarLinkNotFound()
    statement = statements.revoke_link(context.user_id, key)
    if not await removals(context, input, statement):
        return CalendarLinkNotFound()
    return RevokeCalendarLinkSuccess(revoked_link_id=calendar_link_id(key))
