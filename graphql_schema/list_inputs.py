"""The inputs of the mutations of lists."""

from collections.abc import Mapping

import strawberry
from strawberry import UNSET

from graphql_schema.fields import created, created_id, expected_version, idempotency_key, updated
from graphql_schema.issues import InputIssue, broken, id_issues, values_issues
from graphql_schema.places import place_of, place_text
from graphql_schema.values import facts_with, given, given_values, list_key, new_key
from models.database import Rule
from models.fact import May
from models.task_list import TASK_LIST_FACTS

_ID = "The id of the list."
_NEW = facts_with(May.CREATE, TASK_LIST_FACTS)
_CHANGED = facts_with(May.UPDATE, TASK_LIST_FACTS)


@strawberry.input(
    one_of=True, description="A place among the caller's lists that are not in the trash."
)
class ListPlace:
    before: strawberry.ID | None = strawberry.field(
        default=UNSET, description="Right before the list with this id."
    )
    after: strawberry.ID | None = strawberry.field(
        default=UNSET, description="Right after the list with this id."
    )
    first: bool | None = strawberry.field(
        default=UNSET, description="Before all lists. It must be true."
    )
    last: bool | None = strawberry.field(
        default=UNSET, description="After all lists. It must be true."
    )

    @property
    def text(self) -> str | None:
        """The place as triggers read it; None where there can be no such place."""
        return place_text(self, list_key)


@strawberry.input(description="A new list.")
class CreateListInput:
    name: str = created(TASK_LIST_FACTS["name"])
    place: ListPlace | None = strawberry.field(
        default=UNSET, description="Its place among the lists. Null or left out: after all others."
    )
    id: strawberry.ID | None = created_id("list", "in decimal digits behind an `L`")
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        place = given(self.place)
        return [
            *id_issues(self.id, list_key),
            *values_issues(self, _NEW),
            *(broken(Rule.PLACE) if place is not None and place.text is None else ()),
        ]

    def values(self) -> Mapping[str, object]:
        """Return what is stored in every column that may be given."""
        id = given(self.id)
        return {
            "id": None if id is None else new_key(id, list_key),
            **given_values(self, _NEW),
        }

    def new_place(self) -> str | None:
        """Return the place as triggers read it; None where none is given."""
        return place_of(self.place)


@strawberry.input(description="What to change in a list. A field that is left out stays as it is.")
class UpdateListInput:
    id: strawberry.ID = strawberry.field(description=_ID)
    name: str | None = updated(TASK_LIST_FACTS["name"])
    expected_version: int | None = expected_version("list")
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(values_issues(self, _CHANGED))

    def values(self) -> Mapping[str, object]:
        """Return the columns that were given, with what is stored in them."""
        return given_values(self, _CHANGED)


@strawberry.input(description="The list to move, and where to.")
class MoveListInput:
    id: strawberry.ID = strawberry.field(description=_ID)
    place: ListPlace = strawberry.field(
        description="Its place among the other lists. Beside itself: unmoved."
    )
    expected_version: int | None = expected_version("list")
    idempotency_key: str | None = idempotency_key()

    def issues(self) -> list[InputIssue]:
        """Return everything that is wrong with the values; empty when nothing is."""
        return list(broken(Rule.PLACE)) if self.place.text is None else []

    def new_place(self) -> str | None:
        """Return the place as triggers read it; None where it is that of the list itself."""
        return place_of(self.place, self.id)


@strawberry.input(description="The list to move into the trash, and its tasks with it.")
class DeleteListInput:
    id: strawberry.ID = strawberry.field(description=_ID)
    expected_version: int | None = expected_version("list")
    idempotency_key: str | None = idempotency_key()


@strawberry.input(
    description="The list to restore from the trash, and with it the tasks that went there with it."
)
class RestoreListInput:
    id: strawberry.ID = strawberry.field(description=_ID)
    expected_version: int | None = expected_version("list")
    idempotency_key: str | None = idempotency_key()
