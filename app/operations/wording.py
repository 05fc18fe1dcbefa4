"""What graphql-core says of values, in JSON's words: clients know no `None` and no `True`."""

import json
import re
from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLInputType,
    ValueNode,
    ValuesOfCorrectTypeRule,
    VisitorAction,
)
from graphql.pyutils import inspect

VALUE_MAX_LENGTH = 240
"""Characters of a value in a message."""

INVALID_VARIABLE = re.compile(r"Variable '\$(\w+)' has invalid value(?: at ([.\w\[\]]+))?: ")
MEMBER = re.compile(r"\.(\w+)|\[(\d+)\]")


def in_json(message: str, variables: Mapping[str, Any] | None = None) -> str:
    """Return the message with `null` for `None`, and a variable's value as JSON has it."""
    stated = message.removesuffix(" not to be None.")
    if stated != message:
        return f"{stated} not to be null."
    named = INVALID_VARIABLE.match(message)
    if named is None:
        return message
    value = _value_at(variables or {}, named[1], named[2] or "")
    stop = "." if message.endswith(".") else ""
    before = message.removesuffix(f": {inspect(value)}{stop}")
    if before == message:
        return message
    written = json.dumps(value, ensure_ascii=False)
    if len(written) > VALUE_MAX_LENGTH:
        written = f"{written[:VALUE_MAX_LENGTH]}..."
    return f"{before}: {written}{stop}"


def _value_at(variables: Mapping[str, Any], name: str, path: str) -> object:
    value: Any = variables.get(name)
    for member, index in MEMBER.findall(path):
        if isinstance(value, dict):
            value = value.get(member)
        elif isinstance(value, list) and index:
            value = value[int(index)]
    return value


class LocatedValuesRule(ValuesOfCorrectTypeRule):
    """graphql-core's rule, whose errors all say where the value is, of lists and objects too."""

    _node: ValueNode

    def is_valid_value_node(
        self, node: ValueNode, input_type: GraphQLInputType | None
    ) -> VisitorAction:
        self._node = node
        return super().is_valid_value_node(node, input_type)

    def report_error(self, error: GraphQLError) -> None:
        if error.locations is None:
            error = GraphQLError(error.message, self._node)
        super().report_error(error)
