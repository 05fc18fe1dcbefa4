"""Documents: parsed, validated, measured and compiled once, and kept for the next request."""

import gc
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import strawberry
from graphql import (
    DocumentNode,
    FieldsOnCorrectTypeRule,
    GraphQLError,
    GraphQLSyntaxError,
    NoSchemaIntrospectionCustomRule,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    Source,
    Token,
    TokenKind,
    ValuesOfCorrectTypeRule,
    specified_rules,
    validate,
)
from graphql.language.parser import Parser

from app.operations.field_merging import merging_errors
from app.operations.price import Price, Prices
from app.operations.suggestions import SuggestingNodesRule
from app.operations.wording import LocatedValuesRule, in_json
from app.telemetry.records import digest
from auth.scopes import Scope
from compiled_graphql.operation import Compiler, Operation
from graphql_schema.errors import CodedError, ErrorCode, with_code
from graphql_schema.limits import (
    LimitExceeded,
    check_limits,
    paged_fields,
)
from graphql_schema.maximums import Limits
from graphql_schema.scalars import AT_ONCE

MAX_ERRORS = 5
"""Validation errors in one answer."""

TOKENS_KEPT = 50_000
"""Tokens of all documents that are kept: some hundred of usual ones, fewer where they are long.

What is kept takes memory, and the garbage collector time.
"""

TOKEN_LENGTH = 8
"""Characters that count as a token where there are fewer tokens, as in a comment."""

INTEGER_DIGITS_MAX = 100
"""Digits of an integer in a document. Ids have up to 19; Python refuses to read thousands."""

TOKENS_A_POINT = 50
"""Tokens of a document for which the user who sends it first pays a point."""


class RequestFailed(Exception):
    """The request was not executed at all."""

    def __init__(self, errors: Sequence[GraphQLError]) -> None:
        super().__init__(*errors)
        self.errors = errors


@dataclass(slots=True)
class Asked:
    """An operation that a document holds."""

    document: DocumentNode
    node: OperationDefinitionNode
    kind: str
    """`query`, `mutation` or `subscription`."""
    compiled: Operation | None
    price: Price
    scopes: frozenset[Scope] | None = None
    """What a token needs for it; None: `NeededScopes` has not been asked."""


class Document:
    """A text, parsed and validated: its operations by name, or the errors in it.

    An operation is compiled when it is first asked for: a document may hold many that nobody runs.
    """

    def __init__(
        self,
        text: str,
        tokens: int,
        parsed: DocumentNode | list[GraphQLError],
        compiler: Compiler | None,
        prices: Prices,
    ) -> None:
        self.digest = digest(text)
        self.tokens = tokens
        self.unpaid = tokens // TOKENS_A_POINT
        """Points for parsing and validating it, until a user has paid them."""
        self._compiler = compiler
        self._prices = prices
        self._errors = parsed if isinstance(parsed, list) else []
        self._parsed = None if isinstance(parsed, list) else parsed
        self._nodes = {
            node.name.value if node.name else None: node
            for node in (self._parsed.definitions if self._parsed else ())
            if isinstance(node, OperationDefinitionNode)
        }
        self._operations: dict[str | None, Asked] = {}

    @property
    def can_be_executed(self) -> bool:
        return not self._errors

    @property
    def complaints(self) -> list[str]:
        """The messages of the errors in it."""
        return [error.message for error in self._errors]

    def operation(self, name: str | None) -> Asked:
        """Return the operation of that name, or the only one where none is named.

        Raises:
            RequestFailed: there is no such operation, or the document cannot be executed.
        """
        if self._parsed is None:
            raise RequestFailed(self._errors)
        if name is None and len(self._nodes) == 1:
            name = next(iter(self._nodes))
        elif name is None or name not in self._nodes:
            message = (
                f"The document has no operation named {name!r}."
                if name
                else "The document has several operations: say which by `operationName`."
                if self._nodes
                else "The document has no operation."
            )
            raise RequestFailed([CodedError(ErrorCode.BAD_REQUEST, message)])
        found = self._operations.get(name)
        if found is None:
            node = self._nodes[name]
            compiled = self._compiler.compile(self._parsed, node) if self._compiler else None
            price = self._prices.price(self._parsed, node)
            found = self._operations[name] = Asked(
                self._parsed, node, node.operation.value, compiled, price
            )
        return found


class Documents:
    """The documents that clients send, each parsed and validated once while it is kept."""

    def __init__(
        self,
        schema: strawberry.Schema,
        limits: Limits,
        *,
        allow_introspection: bool,
        compiles: bool,
    ) -> None:
        self._schema = schema._schema  # noqa: SLF001 -- Strawberry has no public name for it
        self._limits = limits
        self.hides_suggestions = not allow_introspection
        """Whether errors name nothing of the schema that the request does not name itself."""
        # `merging_errors` and the other two rules take the place of three of them.
        theirs = (
            OverlappingFieldsCanBeMergedRule,
            ValuesOfCorrectTypeRule,
            FieldsOnCorrectTypeRule,
        )
        self._rules = [rule for rule in specified_rules if rule not in theirs]
        self._rules += [LocatedValuesRule, SuggestingNodesRule]
        if not allow_introspection:
            self._rules.append(NoSchemaIntrospectionCustomRule)
        self._paged = paged_fields(self._schema)
        self._prices = Prices(self._schema)
        self._compiler = Compiler(schema, AT_ONCE) if compiles else None
        self._kept: OrderedDict[str, Document] = OrderedDict()
        self._tokens = 0
        self._permanent: dict[str, Document] = {}

    def document(self, text: str) -> Document:
        """Return the document of a text: a kept one, or one parsed and validated now."""
        kept = self._kept.get(text)
        if kept is not None:
            self._kept.move_to_end(text)
            return kept
        if text in self._permanent:
            return self._permanent[text]
        parser = Parser(Source(text), max_tokens=self._limits.tokens)
        parsed = self._parse_and_validate(parser)
        tokens = max(parser.token_count, len(text) // TOKEN_LENGTH, 1)
        document = Document(text, tokens, parsed, self._compiler, self._prices)
        # Validation leaves thousands of objects in cycles: freed while young, they cost least.
        gc.collect(0)
        self._kept[text] = document
        self._tokens += tokens
        while self._tokens > TOKENS_KEPT:
            self._tokens -= self._kept.popitem(last=False)[1].tokens
        return document

    def keep(self, text: str) -> Document:
        """Return the document of a text, and keep it for as long as the server runs."""
        document = self._permanent[text] = self.document(text)
        return document

    def _parse_and_validate(self, parser: Parser) -> DocumentNode | list[GraphQLError]:
        try:
            document = parser.parse_document()
            _check_integers(document)
            check_limits(document, self._limits, self._paged)
        except LimitExceeded as error:
            # What is kept must not hold what was looked at: not by a traceback, and not by nodes.
            return [error.with_traceback(None)]
        except GraphQLSyntaxError as error:
            if parser.token_count > self._limits.tokens:
                return [LimitExceeded("tokens", self._limits.tokens, parser.token_count)]
            return [with_code(error, ErrorCode.GRAPHQL_PARSE_FAILED)]
        except RecursionError:
            message = "Syntax Error: The document is nested too deeply."
            return [CodedError(ErrorCode.GRAPHQL_PARSE_FAILED, message)]
        errors = validate(
            self._schema,
            document,
            self._rules,
            max_errors=MAX_ERRORS,
            hide_suggestions=self.hides_suggestions,
        ) or merging_errors(self._schema, document, MAX_ERRORS)
        if errors:
            invalid = {"code": ErrorCode.GRAPHQL_VALIDATION_FAILED.value}
            return [
                GraphQLError(
                    in_json(error.message),
                    source=error.source,
                    positions=error.positions,
                    extensions=error.extensions or invalid,
                )
                for error in errors
            ]
        return document


def _check_integers(document: DocumentNode) -> None:
    """Refuse an integer that Python would not read, wherever in the document it is.

    Raises:
        LimitExceeded: there is one.
    """
    integers = [
        (token.value or "").lstrip("-")
        for token in _unlinked_tokens(document)
        if token.kind is TokenKind.INT
    ]
    digits = max(map(len, integers), default=0)
    if digits > INTEGER_DIGITS_MAX:
        raise LimitExceeded("integer_digits", INTEGER_DIGITS_MAX, digits)


def _unlinked_tokens(document: DocumentNode) -> Iterator[Token]:
    """Yield a document's tokens, freed from each other, which nothing here needs in a row.

    Linked, they are cycles of some thousand objects a document, which only the garbage collector
    frees: that takes seconds where clients send ever new documents.
    """
    token = document.loc.start_token if document.loc else None
    while token:
        following, token.prev, token.next = token.next, None, None
        yield token
        token = following
