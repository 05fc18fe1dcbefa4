"""The limits of documents: one pass counts everything, and measures each fragment once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    is_object_type,
)

from graphql_schema.changes import CHANGES_MAX
from graphql_schema.connections import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX
from graphql_schema.errors import ErrorCode
from graphql_schema.maximums import Limits
from graphql_schema.undo import CHANGED_MAX
from models.task import SUBTASKS_MAX

Size = int | str
"""The value of `first` or `last`: a number, or the name of a variable."""


@dataclass(slots=True)
class Measure:
    """The counts of an operation, or of a part of it."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    root_fields: int = 0
    nodes: int = 0

    def add(self, part: "Measure") -> None:
        """Add the counts of a part beside those that are counted."""
        self.depth = max(self.depth, part.depth)
        self.aliases += part.aliases
        self.directives += part.directives
        self.root_fields += part.root_fields
        self.nodes += part.nodes


class LimitExceeded(GraphQLError):
    """A document is over a limit. The message names the limit and the count."""

    def __init__(self, name: str, limit: int, count: int) -> None:
        code = (
            ErrorCode.GRAPHQL_VALIDATION_FAILED
            if name in ("depth", "integer_digits")
            else ErrorCode.QUERY_TOO_COMPLEX
        )
        label = name.replace("_", " ")
        super().__init__(
            f"The document is too large: {label} {count}, and the limit is {limit}.",
            extensions={"code": code.value, "limit": name, "maximum": limit, "count": count},
        )


def paged_fields(schema: GraphQLSchema) -> Mapping[str, int]:
    """Return the fields that return pages, by name, and the most that a page of each may hold."""
    return {
        name: page_size_max(name)
        for type_ in schema.type_map.values()
        if is_object_type(type_)
        for name, field in type_.fields.items()
        if "first" in field.args
    }


def page_size_max(field_name: str) -> int:
    """Return the most that a page of the field may hold."""
    return CHANGES_MAX if field_name == "changes" else PAGE_SIZE_MAX


LISTS = {"subtasks": SUBTASKS_MAX, "changed": CHANGED_MAX}
"""The fields that are lists of tasks and no pages, and how many each may hold: subtasks of a task,
and what was undone."""

LIST_USUAL = 10
"""Tasks that such a list is taken to hold. Where others are read for each of them, it is all."""

OPERATIONS_MAX = 20
"""Operations in one document. Each that is asked for is compiled, and kept with the document."""


def check_limits(document: DocumentNode, limits: Limits, paged: Mapping[str, int]) -> None:
    """Refuse a document that is over a limit. It need not be a valid one.

    Raises:
        LimitExceeded: it has too many operations, or one of them has too much of something.
    """
    operations = [
        definition
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode)
    ]
    if len(operations) > OPERATIONS_MAX:
        raise LimitExceeded("operations", OPERATIONS_MAX, len(operations))
    measuring = Measuring(document, paged)
    for definition in operations:
        measure = measuring.selections(definition.selection_set)
        measure.directives += len(definition.directives or ())
        for name in ("depth", "aliases", "directives", "root_fields", "nodes"):
            count, limit = getattr(measure, name), getattr(limits, name)
            if count > limit:
                raise LimitExceeded(name, limit, count)


class Measuring:
    """Measures the selections of one document, and each fragment once."""

    def __init__(self, document: DocumentNode, paged: Mapping[str, int]) -> None:
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        self._paged = paged
        self._measured: dict[str, Measure] = {}

    def selections(self, selection_set: SelectionSetNode | None) -> Measure:
        total = Measure()
        for selection in selection_set.selections if selection_set else ():
            if isinstance(selection, FieldNode):
                part = self._field(selection)
            elif isinstance(selection, FragmentSpreadNode):
                part = self._fragment(selection.name.value)
            elif isinstance(selection, InlineFragmentNode):
                part = self.selections(selection.selection_set)
            else:
                raise TypeError(selection)
            total.add(part)
            total.directives += len(selection.directives or ())
        return total

    def _field(self, node: FieldNode) -> Measure:
        measure = self.selections(node.selection_set)
        measure.depth += 1
        measure.aliases += node.alias is not None
        measure.root_fields = 1
        # A field of the same name that has no selections is no page.
        if node.selection_set and node.name.value in self._paged:
            most = self._paged[node.name.value]
            sizes = (most if isinstance(size, str) else size for size in page_sizes(node))
            measure.nodes = max(sizes, default=PAGE_SIZE_DEFAULT) * (measure.nodes + 1)
        elif node.selection_set and node.name.value in LISTS:
            most = LISTS[node.name.value] if measure.nodes else LIST_USUAL
            measure.nodes = most * (measure.nodes + 1)
        return measure

    def _fragment(self, name: str) -> Measure:
        if name not in self._measured:
            # A fragment that spreads itself counts as nothing there: validation refuses it.
            self._measured[name] = Measure()
            definition = self._fragments.get(name)
            if definition is not None:
                self._measured[name] = self.selections(definition.selection_set)
        return self._measured[name]


def page_sizes(node: FieldNode) -> Iterator[Size]:
    """Yield the values of `first` and `last` that are not null, numbers within bounds."""
    most = page_size_max(node.name.value)
    for argument in node.arguments or ():
        if argument.name.value in ("first", "last"):
            match argument.value:
                case VariableNode(name=name):
                    yield name.value
                case IntValueNode(value=digits):
                    yield within_page_bounds(int(digits), most)
                case NullValueNode():
                    pass
                case _:
                    # It will be refused.
                    yield most


def within_page_bounds(size: int, most: int) -> int:
    """Return the size of a page within its bounds."""
    return min(max(size, 0), most)
