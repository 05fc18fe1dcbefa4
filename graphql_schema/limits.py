"""How large a document may be: one pass over it counts everything, and looks at a fragment once."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    SelectionNode,
    SelectionSetNode,
    ValidationContext,
    VariableNode,
    is_object_type,
)
from graphql.validation.validate import ValidationAbortedError

from graphql_schema.connections import PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX
from graphql_schema.errors import ErrorCode

OVERLAP_MAX = 20_000
"""Steps, as graphql-core counts them, in which fields of the same response name are compared.

A document takes none where each name comes once. graphql-core itself would take 500,000, which is
hundreds of milliseconds for a document of 2 KB.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a document may have of each. Fragments count wherever they are spread."""

    tokens: int = 1000
    depth: int = 15
    """Fields within fields; GraphiQL's introspection needs 14."""
    aliases: int = 50
    directives: int = 50
    root_fields: int = 50
    nodes: int = 5000
    """Tasks that all pages together could hold; a size in a variable counts as the greatest."""


@dataclass(slots=True)
class Measure:
    """What one operation, or one part of it, comes to."""

    depth: int = 0
    aliases: int = 0
    directives: int = 0
    root_fields: int = 0
    nodes: int = 0

    def add(self, part: "Measure") -> None:
        """Count a part that stands beside what is counted already."""
        self.depth = max(self.depth, part.depth)
        self.aliases += part.aliases
        self.directives += part.directives
        self.root_fields += part.root_fields
        self.nodes += part.nodes


class LimitExceeded(GraphQLError):
    """A document is over a limit; says over which, and by how much."""

    def __init__(self, name: str, limit: int, count: int) -> None:
        code = (
            ErrorCode.GRAPHQL_VALIDATION_FAILED if name == "depth" else ErrorCode.QUERY_TOO_COMPLEX
        )
        label = name.replace("_", " ")
        super().__init__(
            f"The document is too large: {label} {count}, and the limit is {limit}.",
            extensions={"code": code.value, "limit": name, "maximum": limit, "count": count},
        )


class TooMuchOverlap(ValidationAbortedError):
    """Too many fields of a document have the same response name for all to be compared."""

    def __init__(self) -> None:
        super().__init__(
            "The document is too complex: its selections overlap too much. Select a field once.",
            extensions={"code": ErrorCode.QUERY_TOO_COMPLEX.value},
        )


class LimitedOverlapRule(OverlappingFieldsCanBeMergedRule):
    """graphql-core's rule, that goes no further than `OVERLAP_MAX`."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = OVERLAP_MAX

    def enter_selection_set(
        self,
        selection_set: SelectionSetNode,
        key: object,
        parent: object,
        *rest: object,
    ) -> None:
        """Compare the fields of one selection set.

        Raises:
            TooMuchOverlap: the document's steps are used up.
            ValidationAbortedError: it has too many errors.
        """
        try:
            super().enter_selection_set(selection_set, key, parent, *rest)
        except ValidationAbortedError:
            if self.rule_context.remaining_complexity_budget < 0:
                raise TooMuchOverlap from None
            raise


def paged_fields(schema: GraphQLSchema) -> frozenset[str]:
    """Return the names of the fields that answer in pages."""
    return frozenset(
        name
        for type_ in schema.type_map.values()
        if is_object_type(type_)
        for name, field in type_.fields.items()
        if "first" in field.args
    )


def check_limits(document: DocumentNode, limits: Limits, paged: frozenset[str]) -> None:
    """Refuse a document that is over a limit. It need not be a valid one.

    Raises:
        LimitExceeded: some operation in it has too much of something.
    """
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    measuring = _Measuring(fragments, paged)
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            measure = measuring.selections(definition.selection_set)
            measure.directives += len(definition.directives or ())
            for field in fields(measure):
                count, limit = getattr(measure, field.name), getattr(limits, field.name)
                if count > limit:
                    raise LimitExceeded(field.name, limit, count)


class _Measuring:
    """Measures the selections of one document; what a fragment comes to is worked out once."""

    def __init__(self, fragments: dict[str, FragmentDefinitionNode], paged: frozenset[str]) -> None:
        self._fragments = fragments
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

    def _field(self, field: FieldNode) -> Measure:
        inner = self.selections(field.selection_set)
        size = self._page_size(field)
        return Measure(
            depth=inner.depth + 1,
            aliases=inner.aliases + (field.alias is not None),
            directives=inner.directives,
            root_fields=1,
            nodes=size * (inner.nodes + 1) if size is not None else inner.nodes,
        )

    def _fragment(self, name: str) -> Measure:
        if name not in self._measured:
            # A fragment that spreads itself counts as nothing there: validation refuses it.
            self._measured[name] = Measure()
            definition = self._fragments.get(name)
            if definition is not None:
                self._measured[name] = self.selections(definition.selection_set)
        return self._measured[name]

    def _page_size(self, field: FieldNode) -> int | None:
        if field.name.value not in self._paged:
            return None
        sizes: Iterable[int] = (
            int(argument.value.value) if isinstance(argument.value, IntValueNode) else PAGE_SIZE_MAX
            for argument in field.arguments or ()
            if argument.name.value in ("first", "last")
        )
        return max((min(max(size, 0), PAGE_SIZE_MAX) for size in sizes), default=PAGE_SIZE_DEFAULT)


@dataclass(frozen=True, slots=True)
class Price:
    """What an operation costs: a point for each root field and for each task its pages may hold."""

    points: int
    sizes: Mapping[str, int]
    """Variables that say how large a page is, and how many pages each."""
    defaults: Mapping[str, int]

    def cost(self, variables: Mapping[str, object] | None) -> int:
        """Return the points, with the sizes that the variables say."""
        if not self.sizes:
            return self.points
        given = variables or {}
        return self.points + sum(
            times * self._size(given.get(name), name) for name, times in self.sizes.items()
        )

    def _size(self, value: object, name: str) -> int:
        if value is None:
            return self.defaults.get(name, PAGE_SIZE_DEFAULT)
        return min(max(value, 0), PAGE_SIZE_MAX) if isinstance(value, int) else PAGE_SIZE_MAX


def price_of(
    document: DocumentNode, operation: OperationDefinitionNode, paged: frozenset[str]
) -> Price:
    """Return what an operation costs that is valid and within the limits."""
    fragments = {
        definition.name.value: definition
        for definition in document.definitions
        if isinstance(definition, FragmentDefinitionNode)
    }
    points = _Measuring(fragments, paged).selections(operation.selection_set).root_fields
    counted: dict[str, tuple[int, Counter[str]]] = {}

    def count(selection_set: SelectionSetNode | None) -> tuple[int, Counter[str]]:
        fixed, named = 0, Counter[str]()
        for selection in selection_set.selections if selection_set else ():
            inner = _inner(selection)
            fixed, named = fixed + inner[0], named + inner[1]
        return fixed, named

    def _inner(selection: SelectionNode) -> tuple[int, Counter[str]]:
        if isinstance(selection, FragmentSpreadNode):
            name = selection.name.value
            if name not in counted:
                counted[name] = count(fragments[name].selection_set)
            return counted[name]
        assert isinstance(selection, FieldNode | InlineFragmentNode)
        fixed, named = count(selection.selection_set)
        if isinstance(selection, FieldNode) and selection.name.value in paged:
            size = _size_of(selection)
            if isinstance(size, str):
                named = named + Counter([size])
            else:
                fixed += size
        return fixed, named

    fixed, sizes = count(operation.selection_set)
    defaults = {
        definition.variable.name.value: int(definition.default_value.value)
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, IntValueNode)
    }
    return Price(points + fixed, dict(sizes), defaults)


def _size_of(field: FieldNode) -> int | str:
    """Return how many tasks a page may hold, or the variable that says so."""
    for argument in field.arguments or ():
        if argument.name.value in ("first", "last"):
            if isinstance(argument.value, VariableNode):
                return argument.value.name.value
            if isinstance(argument.value, IntValueNode):
                return min(max(int(argument.value.value), 0), PAGE_SIZE_MAX)
    return PAGE_SIZE_DEFAULT
