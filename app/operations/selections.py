"""What a document selects: its fields by response name, through fragments, whatever their types."""

from collections.abc import Iterable, Mapping, Sequence

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    SelectionSetNode,
)

Groups = Mapping[str, Sequence[FieldNode]]
"""The fields that are selected, by response name."""


class Selections:
    """What the selection sets of one document select."""

    def __init__(self, document: DocumentNode) -> None:
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }

    def merged(self, sets: Iterable[SelectionSetNode]) -> Groups:
        """Return the fields of selection sets through their fragments, by response name."""
        groups: dict[str, list[FieldNode]] = {}
        todo, spread = list(sets), set[str]()
        for selection_set in todo:
            for node in selection_set.selections:
                if isinstance(node, FieldNode):
                    groups.setdefault((node.alias or node.name).value, []).append(node)
                elif isinstance(node, InlineFragmentNode):
                    todo.append(node.selection_set)
                elif isinstance(node, FragmentSpreadNode) and node.name.value not in spread:
                    spread.add(node.name.value)
                    todo.append(self._fragments[node.name.value].selection_set)
        return groups

    def below(self, fields: Iterable[FieldNode]) -> Groups:
        """Return what fields of one response name select."""
        return self.merged([field.selection_set for field in fields if field.selection_set])

    def weight(self, groups: Groups) -> int:
        """Return how often at most the same field is selected, by aliases; at least one.

        Of an object where each field comes once, the answer has a usual size.
        """
        times: dict[str, int] = {}
        for fields in groups.values():
            name = fields[0].name.value
            # What the schema says of itself has a limit of its depth.
            below = 1 if name.startswith("__") else self.weight(self.below(fields))
            times[name] = times.get(name, 0) + below
        return max(times.values(), default=1)
