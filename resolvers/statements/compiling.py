"""SQL made of SQLAlchemy's expressions: compiled to text once, with what each text is made of."""

from collections import namedtuple
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial, wraps
from typing import Any, NoReturn, ParamSpec, TypeVar, cast
from weakref import WeakValueDictionary

from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import CompilerElement

from models.statement import Sql

Row = TypeVar("Row")
Arguments = ParamSpec("Arguments")

_DIALECT = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]

_SOURCES: dict[str, CompilerElement] = {}
"""The expressions that texts were compiled from, where they are asked for: those are few."""


def compiled(
    expression: CompilerElement,
    make_row: Callable[[Sequence[Any]], Row],
    *,
    writes: bool,
    is_mutation: bool = False,
) -> Sql[Row]:
    """Return the expression as text, with the names of its parameters in order.

    `is_mutation`: whether a mutation runs it, as all that writes, so that its source is kept.
    """
    compiled = expression.compile(dialect=_DIALECT)
    assert isinstance(compiled, SQLCompiler)
    sql = Sql(str(compiled), tuple(compiled.positiontup or []), make_row, writes)
    if writes or is_mutation:
        _SOURCES[sql.text] = expression
    return sql


def named(make: Callable[Arguments, Sql[Row]]) -> Callable[Arguments, Sql[Row]]:
    """Have the SQL that a function makes named as the function is, without underscores."""

    @wraps(make)
    def make_named(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Sql[Row]:
        return replace(make(*args, **kwargs), name=make.__name__.strip("_"))

    return make_named


def source_of(sql: Sql[Any]) -> CompilerElement:
    """Return the expression that `compiled` was called with to make this SQL of a mutation."""
    return _SOURCES[sql.text]


def row_maker(kind: type[Row]) -> Callable[[Sequence[Any]], Row]:
    """Return a function that makes a named tuple of a record.

    `_make` of the named tuple does the same at twice the price.
    """
    return cast("Callable[[Sequence[Any]], Row]", partial(tuple.__new__, kind))


def narrowed(kind: type[Row], names: tuple[str, ...]) -> type[Row]:
    """Return the class of rows of which only some columns were read: those of the names, in order.

    To ask a row for another column raises AttributeError. None would say that it has no value.

    The class is the same each time while anybody has it: compiled operations keep those they saw.
    """
    made = _NARROWED.get((kind, names))
    if made is None:
        others = {name: _NOT_READ for name in cast("Any", kind)._fields if name not in names}
        bases = (namedtuple(kind.__name__, names), kind)
        made = _NARROWED[kind, names] = type(kind.__name__, bases, {"__slots__": (), **others})
    return cast("type[Row]", made)


def _refuse(_row: object) -> NoReturn:
    raise AttributeError("This column was not read.")


_NOT_READ = property(_refuse)

_NARROWED: WeakValueDictionary[tuple[type, tuple[str, ...]], type] = WeakValueDictionary()
