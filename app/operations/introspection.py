"""What a question about the schema itself costs: by the fields that will be resolved for it."""

from collections.abc import Mapping, Sequence

from graphql import (
    FieldNode,
    GraphQLSchema,
    is_abstract_type,
    is_enum_type,
    is_input_object_type,
    is_interface_type,
    is_object_type,
)

from app.operations.selections import Groups, Selections

FIELDS_A_POINT = 300
"""Fields of an answer about the schema that a point pays for; graphql-core resolves each."""

ROOTS = frozenset({"__schema", "__type"})


class Introspection:
    """What questions about one schema cost."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._lengths = _lengths(schema)

    def points(self, below: Groups, selections: Selections) -> int:
        """Return the points for `__schema` or `__type`, of which this is selected."""
        return 1 + round(self._fields(below, selections, {})) // FIELDS_A_POINT

    def _fields(
        self, groups: Groups, selections: Selections, known: dict[tuple[int, ...], float]
    ) -> float:
        """Return how many fields there will be for an object of which this is selected.

        `known`: the same for what fields select, for fragments may be spread in many places.
        """
        total = float(len(groups))
        for fields in groups.values():
            key = tuple(map(id, fields))
            if key not in known:
                known[key] = self._below(fields, selections, known)
            total += known[key]
        return total

    def _below(
        self,
        fields: Sequence[FieldNode],
        selections: Selections,
        known: dict[tuple[int, ...], float],
    ) -> float:
        length = self._lengths.get(fields[0].name.value, 1)
        return length * self._fields(selections.below(fields), selections, known)


def _lengths(schema: GraphQLSchema) -> Mapping[str, float]:
    """Return how long the lists are that the schema consists of, on average."""
    types = list(schema.type_map.values())
    fields = [
        field
        for type_ in types
        if is_object_type(type_) or is_interface_type(type_)
        for field in type_.fields.values()
    ]
    of_all_types = {
        "fields": len(fields),
        "inputFields": sum(len(type_.fields) for type_ in types if is_input_object_type(type_)),
        "enumValues": sum(len(type_.values) for type_ in types if is_enum_type(type_)),
        "possibleTypes": sum(
            len(schema.get_possible_types(type_)) for type_ in types if is_abstract_type(type_)
        ),
        "interfaces": sum(
            len(type_.interfaces)
            for type_ in types
            if is_object_type(type_) or is_interface_type(type_)
        ),
    }
    return {
        "types": len(types),
        "directives": len(schema.directives),
        "args": sum(len(field.args) for field in fields) / len(fields),
        **{name: count / len(types) for name, count in of_all_types.items()},
    }
