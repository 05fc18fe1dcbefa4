"""The parts of Strawberry and graphql-core that this package uses are where it expects them.

When a new release of a library breaks this package, these tests name the part that has moved.
"""

import ast
from collections.abc import Iterable
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import graphql
import strawberry
from strawberry.types import get_object_definition

from compiled_graphql.run import ResolveInfo

PACKAGE = Path(__file__).parent.parent
IMPORTED = [
    ("strawberry.relay", "GlobalID"),
    ("strawberry.schema.schema_converter", "GraphQLCoreConverter.DEFINITION_BACKREF"),
    ("strawberry.types.arguments", "convert_argument"),
    ("strawberry.types.base", "StrawberryList"),
    ("strawberry.types.base", "StrawberryMaybe"),
    ("strawberry.types.base", "StrawberryObjectDefinition.from_input"),
    ("strawberry.types.base", "StrawberryOptional"),
    ("strawberry.types.field", "StrawberryField"),
    ("strawberry.types.lazy_type", "LazyType"),
]
OF_SCHEMA = [
    "_schema",
    "config.default_resolver",
    "config.info_class",
    "config.name_converter.from_argument",
    "config.name_converter.from_field",
    "exception_handlers",
    "schema_converter.scalar_registry",
]
OF_FIELD = [
    "arguments",
    "base_resolver.info_parameter.name",
    "base_resolver.parent_parameter",
    "base_resolver.root_parameter",
    "base_resolver.self_parameter.name",
    "base_resolver.wrapped_func",
    "extensions",
    "python_name",
]
OF_GRAPHQL_CORE = [
    "Executor.build_resolve_info",
    "GraphQLString.coerce_input_value",
    "GraphQLString.coerce_output_value",
    "ResponsePath",
    "coerce_input_literal",
    "value_from_ast_untyped",
]


@strawberry.type
class Query:
    @strawberry.field
    def number(self, info: strawberry.Info) -> int:
        return 1


def missing(owner: object, names: Iterable[str]) -> list[str]:
    """Return the attributes that an object does not have, each with the class of the object."""
    return [f"{type(owner).__name__}: {name}" for name in names if not has(owner, name)]


def has(owner: object, name: str) -> bool:
    try:
        attrgetter(name)(owner)
    except AttributeError:
        return False
    return True


def test_strawberry_has_the_parts_that_are_used() -> None:
    schema = strawberry.Schema(Query)
    [field] = get_object_definition(Query, strict=True).fields
    moved = [
        *(f"{module}.{name}" for module, name in IMPORTED if not has(import_module(module), name)),
        *missing(schema, OF_SCHEMA),
        *missing(field, OF_FIELD),
    ]
    assert moved == [], "Strawberry has moved these parts: see strawberry_parts.py"
    info_fields = list(strawberry.Info.__dataclass_fields__)
    assert info_fields == ["_raw_info", "_field"], "Strawberry makes an info of something else"
    core_field = schema._schema.type_map["Query"].fields["number"]  # type: ignore[attr-defined]
    assert field in core_field.extensions.values(), "Strawberry keeps its definition elsewhere"


def test_graphql_core_has_the_parts_that_are_used() -> None:
    assert missing(graphql, OF_GRAPHQL_CORE) == [], "graphql-core has moved these parts"
    lacking = [
        name for name in graphql.GraphQLResolveInfo._fields if not hasattr(ResolveInfo, name)
    ]
    assert lacking == ["async_helpers"], "graphql-core's info has fields that ResolveInfo lacks"
    assert graphql.GraphQLArgument(graphql.GraphQLInt).default is None
    assert not graphql.GraphQLInputObjectType("Input", {}).is_one_of
    values = graphql.get_variable_values(graphql.GraphQLSchema(), [], {})
    assert not isinstance(values, list), "get_variable_values has errors without variables"
    assert values.coerced == {}, "variable values are no longer in `coerced`"


def test_one_module_alone_imports_what_libraries_do_not_document() -> None:
    importing = {
        module.name
        for module in PACKAGE.glob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(("strawberry.", "graphql."))
    }
    assert importing == {"strawberry_parts.py"}
