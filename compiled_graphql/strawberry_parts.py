"""The private and undocumented parts of Strawberry: no other module of this package uses any.

Strawberry has no public way to ask how it resolves a field or makes an argument. Each part below
comes with the reason for its use. When a part moves, `tests/test_libraries.py` names it.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING
from typing import Any, NamedTuple

import strawberry
from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    is_scalar_type,
)
from strawberry.relay import GlobalID
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.arguments import convert_argument
from strawberry.types.base import (
    StrawberryList,
    StrawberryMaybe,
    StrawberryObjectDefinition,
    StrawberryOptional,
)
from strawberry.types.field import StrawberryField
from strawberry.types.lazy_type import LazyType

from compiled_graphql.exceptions import NotCompiled
from compiled_graphql.leaves import SerializeAll

_DEFINITION = GraphQLCoreConverter.DEFINITION_BACKREF
"""The key of Strawberry's definition in the extensions of a graphql-core type or field."""


AtOnce = Mapping[Callable[..., Any], SerializeAll]
"""What serializes many values of a scalar at once, by the `serialize` of the scalar."""


class Input(NamedTuple):
    """An argument of a field, or a field of an input object."""

    name: str
    """The name in the schema."""
    python_name: str
    type_: object
    """The type in Strawberry's terms."""


class Resolver(NamedTuple):
    """How Strawberry resolves a field."""

    attribute: str
    """The attribute of the parent object that is the value of a field without a function."""
    function: Callable[..., Any] | None = None
    takes_self: bool = False
    """Whether the function takes the parent object as its first argument."""
    parent_names: tuple[str, ...] = ()
    """The names of other parameters that take the parent object."""
    info_name: str | None = None
    """The name of the parameter that takes the info, if there is one."""
    make_info: Callable[[object], object] | None = None
    """Makes Strawberry's info of graphql-core's."""
    takes_arguments: bool = False


class StrawberryParts:
    """What Strawberry knows of one schema."""

    def __init__(self, schema: strawberry.Schema, at_once: AtOnce) -> None:
        self._at_once = at_once
        # `_schema` is the schema that graphql-core executes. Its types are compiled.
        self.graphql_schema: GraphQLSchema = schema._schema  # noqa: SLF001 -- it has no public name
        # Strawberry calls handlers around a resolver. Compiled code would not.
        self.has_exception_handlers = bool(schema.exception_handlers)
        # `convert_argument` takes the `scalar_registry`.
        self._scalars = schema.schema_converter.scalar_registry
        self._config = schema.config

    def serialize_all(self, type_: GraphQLOutputType) -> SerializeAll | None:
        """Return what serializes many values of a scalar at once; None where nothing does."""
        return self._at_once.get(type_.coerce_output_value) if is_scalar_type(type_) else None

    def resolver(self, field: GraphQLField) -> Resolver:
        """Return how a field is resolved.

        `base_resolver` knows the function, and what its parameters take. Compiled code calls the
        function directly, with these.

        Raises:
            NotCompiled: it takes more than to call the function, or to get an attribute.
        """
        definition = _field_definition(field)
        name = definition.python_name
        if definition.extensions:
            raise NotCompiled(f"{name} has extensions")
        resolver = definition.base_resolver
        if resolver is None:
            if self._config.default_resolver is not getattr:
                raise NotCompiled("a default resolver of the schema's own")
            return Resolver(name)
        if isinstance(resolver.wrapped_func, staticmethod | classmethod):
            raise NotCompiled(f"{name} is not bound")
        info = resolver.info_parameter
        parents = resolver.parent_parameter, resolver.root_parameter
        return Resolver(
            name,
            resolver.wrapped_func,
            takes_self=resolver.self_parameter is not None,
            # One that is called `root` may be annotated as the parent as well.
            parent_names=tuple(dict.fromkeys(each.name for each in parents if each is not None)),
            info_name=None if info is None else info.name,
            make_info=self._info_maker(definition),
            takes_arguments=bool(definition.arguments),
        )

    def _info_maker(self, definition: StrawberryField) -> Callable[[object], object]:
        """Return what makes an info. Strawberry makes it of `_raw_info` and `_field` alone."""
        info_class: Any = self._config.info_class
        return lambda raw_info: info_class(_raw_info=raw_info, _field=definition)

    def arguments(self, field: GraphQLField) -> list[Input]:
        """Return the arguments of a field. Only Strawberry knows their names in Python."""
        from_argument = self._config.name_converter.from_argument
        return [
            Input(from_argument(argument), argument.python_name, _supported(argument.type))
            for argument in _field_definition(field).arguments
        ]

    def input_fields(self, type_: GraphQLInputObjectType) -> list[Input]:
        """Return the fields of an input type. Only Strawberry knows their names in Python."""
        definition = _input_definition(type_)
        from_field = self._config.name_converter.from_field
        return [
            Input(
                from_field(field),
                field.python_name,
                _supported(field.resolve_type(type_definition=definition)),
            )
            for field in definition.fields
        ]

    def constructor(self, type_: GraphQLInputObjectType) -> Callable[[dict[str, Any]], Any]:
        """Return what makes an input object of its members, by their names in Python.

        As in `convert_argument`, a member that is left out is None if it has no default.
        """
        definition = _input_definition(type_)
        class_ = definition.origin
        absent = {
            field.python_name: None
            for field in definition.fields
            if field.default is MISSING and field.default_factory is MISSING
        }
        if not absent:
            return lambda members: class_(**members)
        return lambda members: class_(**{**absent, **members})

    def convert(self, value: object, type_: Any) -> object:  # noqa: ANN401 -- of `Input`
        """Convert a literal or a default as Strawberry does. `convert_argument` does just that."""
        return convert_argument(value, type_, self._scalars, self._config)


def _field_definition(field: GraphQLField) -> StrawberryField:
    definition = field.extensions.get(_DEFINITION)
    if not isinstance(definition, StrawberryField):
        raise NotCompiled("a field that is not Strawberry's")
    return definition


def _input_definition(type_: GraphQLInputObjectType) -> StrawberryObjectDefinition:
    definition = type_.extensions.get(_DEFINITION)
    if not isinstance(definition, StrawberryObjectDefinition):
        raise NotCompiled(type_.name)
    if definition.from_input is not None:
        raise NotCompiled(type_.name)
    return definition


def is_one_of(type_: GraphQLInputObjectType) -> bool:
    """Return whether exactly one field must be given. Strawberry does not tell graphql-core."""
    return type_.is_one_of or _input_definition(type_).is_one_of


def _supported(type_: object) -> object:
    """Return the type of an input.

    Raises:
        NotCompiled: Strawberry converts its values in a way that readers do not.
    """
    inner = type_
    while isinstance(inner, StrawberryOptional | StrawberryList | LazyType):
        if isinstance(inner, StrawberryMaybe):
            break
        inner = inner.resolve_type() if isinstance(inner, LazyType) else inner.of_type
    if isinstance(inner, StrawberryMaybe) or inner is GlobalID:
        raise NotCompiled(str(inner))
    return type_
