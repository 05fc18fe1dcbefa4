"""A sample schema that uses every kind of type; chance decides what its resolvers return."""

import asyncio
from collections.abc import Sequence
from datetime import date
from enum import Enum
from typing import Annotated, Any, NamedTuple

import strawberry
from strawberry import UNSET

from compiled_graphql.tests.chance import Chance


@strawberry.enum
class Size(Enum):
    SMALL = "small"
    LARGE = "large"


@strawberry.input
class Food:
    name: str
    grams: int = 100
    size: Size | None = UNSET
    notes: list[str] | None = None
    extra: "Food | None" = UNSET


@strawberry.input(one_of=True)
class Treat:
    name: str | None = UNSET
    size: Size | None = UNSET
    food: Food | None = UNSET
    treats: "list[Treat] | None" = UNSET


class Plain:
    """The attributes of an animal."""

    def __init__(self, chance: Chance, name: str) -> None:
        ask = chance.value
        self.id = ask(chance.dice(name).choice([7, "seven"]), name, "id")
        self.name = ask("Ada", name, "name")
        self.nick = ask(chance.dice(name, 1).choice([None, "ad"]), name, "nick")
        self.age = ask(41, name, "age")
        self.weight = ask(60.5, name, "weight")
        self.tame = ask(True, name, "tame")
        self.size = ask(Size.SMALL, name, "size")
        self.born = ask(date(2020, 2, 29), name, "born")
        self.tags = ask(["a", "b"], name, "tags")
        self.chance = chance
        self.path = name


Info = strawberry.Info[Chance, None]


def guarded(make: Any) -> Any:
    try:
        return make()
    except ValueError as error:
        return error


@strawberry.interface
class Being:
    id: strawberry.ID
    name: str

    @classmethod
    def resolve_type(cls, value: Any, *_: Any) -> str:
        if isinstance(value, Dog):
            return "Dog"
        return "Cat" if isinstance(value, Plain) else "Nothing"


@strawberry.type
class Cat(Being):
    nick: str | None
    age: int
    weight: float
    tame: bool
    size: Size
    born: date
    tags: list[str]

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        return isinstance(value, Plain) and not isinstance(value, Dog)

    @strawberry.field
    def loud(self: Any, times: int = 2, sound: str | None = None) -> str | None:
        return self.chance.value((sound or "miaow") * min(times, 3), self.path, "loud", times)

    @strawberry.field(graphql_type=list["Cat | None"])
    def kittens(self: Any) -> Any:
        names = [f"{self.path}.{n}" for n in range(self.chance.dice(self.path, 2).randrange(3))]
        kittens = [guarded(lambda name=name: Plain(self.chance, name)) for name in names]
        return self.chance.value(kittens, self.path, "kittens")

    @strawberry.field(graphql_type=f"Annotated[Friend, strawberry.lazy('{__name__}')] | None")
    async def friend(self: Any, info: Info) -> Any:
        await asyncio.sleep(0)
        kind = self.chance.dice(self.path, 3).choice([Plain, Dog, Stone])
        return self.chance.value(kind(self.chance, self.path + ".f"), self.path, "friend")


class Dog(Plain):
    """Has the attributes of a dog."""


@strawberry.type(name="Dog")
class DogType(Being):
    age: int | None

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        return isinstance(value, Dog)

    @strawberry.field
    async def tricks(self: Any) -> list[str | None]:
        return self.chance.value(["sit", None], self.path, "tricks")


@strawberry.type
class Stone:
    def __init__(self, chance: Chance, path: str) -> None:
        self.chance = chance
        self.path = path

    @strawberry.field
    def weight(self) -> float | None:
        return self.chance.value(3.5, self.path, "weight")


class CollarRow(NamedTuple):
    """A row: it may have more columns than there are fields, and in another order."""

    born: Any
    color: str
    id: Any
    name: Any
    sold: Any


class Renamed(CollarRow):
    """A row with an attribute that is not what it has at the place of its name."""

    __slots__ = ()
    name = property(lambda self: f"{self.color} {self[3]}")


@strawberry.type
class Collar(Being):
    born: date
    sold: date | None

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        return isinstance(value, CollarRow)


def collar(chance: Chance, number: int) -> Any:
    kind = chance.dice("collar", number).choice([CollarRow, CollarRow, CollarRow, Renamed])
    day = date(2020, 2, 1 + number)
    born, name = chance.value(day, "born", number), chance.value("Red", "collar", number)
    return chance.value(kind(born, "red", number, name, [None, day][number % 2]), "row", number)


Friend = Annotated[Cat | DogType | Stone, strawberry.union("Friend")]


def animal(chance: Chance, name: str) -> Any:
    return chance.value(chance.dice(name, 4).choice([Plain, Dog])(chance, name), name)


@strawberry.type
class Query:
    @strawberry.field(graphql_type=Cat | None)
    def cat(self, info: Info, id: strawberry.ID) -> Any:
        info.context.calls.append(f"cat {id}")
        return info.context.value(Plain(info.context, f"cat{id}"), "cat", id)

    @strawberry.field(graphql_type=Cat)
    async def some_cat(self, info: Info) -> Any:
        return info.context.value(Plain(info.context, "some"), "some")

    @strawberry.field(graphql_type=list[Cat])
    async def cats(self, info: Info, first: int = 3, sizes: list[Size] | None = None) -> Any:
        count = min(max(first, 0), 4) + len(sizes or [])
        return [guarded(lambda n=n: Plain(info.context, f"cat{n}")) for n in range(count)]

    @strawberry.field(graphql_type=list[Collar])
    def collars(self, info: Info) -> Any:
        count = info.context.dice("collars").randrange(4)
        return [guarded(lambda n=n: collar(info.context, n)) for n in range(count)]

    @strawberry.field(graphql_type=list[Being | None] | None)
    def beings(self, info: Info) -> Any:
        return [guarded(lambda n=n: animal(info.context, f"being{n}")) for n in range(3)]

    @strawberry.field
    async def echo(
        self,
        info: Info,
        food: Food | None = UNSET,
        foods: list[Food] | None = None,
        day: date | None = None,
        factor: float = 1.5,
        size: Size = Size.LARGE,
    ) -> str | None:
        info.context.calls.append("echo")
        return info.context.value(f"{food} {foods} {day} {factor} {size} {info.path.key}", "echo")

    @strawberry.field
    def treat(self, info: Info, treat: Treat, more: list[Treat] | None = None) -> str | None:
        info.context.calls.append(f"treat {treat}")
        return info.context.value(f"{treat} {more}", "treat")

    @strawberry.field
    def where(self, info: Info) -> str:
        names = f"{info.field_name} {sorted(info.variable_values)} {len(info.selected_fields)}"
        return f"{names} {info.input_extensions} {info.python_name}"


@strawberry.type
class Mutation:
    @strawberry.field(graphql_type=Cat | None)
    async def feed(self, info: Info, id: strawberry.ID, food: Food) -> Any:
        info.context.calls.append(f"feed {id} {food}")
        return info.context.value(Plain(info.context, f"cat{id}"), "feed", id)

    @strawberry.field
    def count(self, info: Info) -> int:
        info.context.calls.append("count")
        return info.context.value(len(info.context.calls), "count")


schema = strawberry.Schema(query=Query, mutation=Mutation, types=[Cat, DogType])


def all_days(days: Sequence[date | None]) -> list[str | None]:
    return [None if day is None else day.isoformat() for day in days]


_DATE: Any = schema._schema.type_map["Date"]
AT_ONCE = {_DATE.coerce_output_value: all_days}
