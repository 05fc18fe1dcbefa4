"""Settings of requests: who may ask, what for, and for how much."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_settings import BaseSettings

from app.configuration.types import CommaList, PublicUrl, origin
from graphql_schema.maximums import Limits

GRAPHQL_PATH = "/graphql"
"""Where GraphQL is served, and GraphiQL to browsers."""

MCP_PATH = "/mcp"
"""Where assistants are served."""

RATE_LIMIT_IN_PRODUCTION = 60_000
"""Points a minute: a page of fifty tasks some twenty times a second."""


class TrustedDocumentsMode(StrEnum):
    """What may be asked besides the documents of the manifests."""

    OFF = "off"
    """All; the manifests are not read."""
    PREFER = "prefer"
    """All."""
    ONLY = "only"
    """Nothing."""


class RequestSettings(BaseSettings):
    """What clients may ask for."""

    public_url: PublicUrl | None = Field(
        default=None,
        description="Where clients reach this server, such as `https://api.example.com`: what "
        "addresses of calendars begin with. Unset: they begin with `/`. The `Host` of a request, "
        "which anybody can set, is never taken for it.",
    )
    cors_origins: Annotated[CommaList, AfterValidator(origin)] = Field(
        default=["http://localhost:3000"],
        description="The origins whose pages may call: a JSON list, or separated by commas. On the "
        "embedded database, pages of this machine may call as well.",
    )
    mcp: bool = Field(
        default=False,
        description="Whether assistants are served at `/mcp`, by the Model Context Protocol. It "
        "needs the extra `mcp`.",
    )
    graphiql: bool | None = Field(
        default=None,
        description="Whether `/graphql` shows GraphiQL to a browser. Unset: only on the embedded "
        "database.",
    )
    introspection: bool | None = Field(
        default=None,
        description="Whether who is signed in may ask for the schema. Unset: as `GRAPHIQL`.",
    )
    request_timeout: float = Field(
        default=10.0, gt=0, le=300, description="How long a request may take, in seconds."
    )
    compress_answers: bool = Field(
        default=True,
        description="Compress answers of a kilobyte or more by gzip, for clients that take it. "
        "Turn it off where a proxy in front does so.",
    )
    compile_operations: bool = Field(
        default=True,
        description="Compile each operation that clients send, once. Turned off: graphql-core "
        "interprets it each time.",
    )
    answer_directly: bool = Field(
        default=True,
        description="Answer requests for GraphQL straight from their connection, which takes "
        "less CPU. Turned off: they pass through ASGI's middleware, like all others.",
    )
    trusted_documents: CommaList = Field(
        default=[],
        description="Files with the operations that your clients send (manifests of "
        "graphql-codegen, Relay or Apollo): a JSON list, or separated by commas.",
    )
    trusted_documents_mode: TrustedDocumentsMode = Field(
        default=TrustedDocumentsMode.PREFER,
        description="`prefer`: these can be asked for by `documentId`, and all else by its text; "
        "`only`: nothing else is served; `off`: they are not read.",
    )
    rate_limit: int | None = Field(
        default=None,
        ge=0,
        description="Points that each user may spend in a minute; 0: as many as they like. Unset: "
        f"{RATE_LIMIT_IN_PRODUCTION} with `DATABASE_URL`, else 0.",
    )
    tasks_max: int = Field(
        default=100_000,
        ge=0,
        le=2_147_483_647,
        description="The most tasks that each user may have, those in the trash among them; 0: as "
        "many as they like.",
    )
    text_max_bytes: int = Field(
        default=100_000_000,
        ge=0,
        le=2_147_483_647,
        description="The most bytes of text that each user's tasks may have; 0: as many as they "
        "like.",
    )
    graphql_max_tokens: int = Field(
        default=1000, gt=0, description="The most tokens that a document may have."
    )
    graphql_max_depth: int = Field(
        default=15, gt=0, description="The most levels of nested fields that a document may have."
    )
    graphql_max_aliases: int = Field(
        default=50, gt=0, description="The most aliases that a document may have."
    )
    graphql_max_directives: int = Field(
        default=50, gt=0, description="The most directives that a document may have."
    )
    graphql_max_root_fields: int = Field(
        default=50, gt=0, description="The most fields at the top that a document may have."
    )
    graphql_max_nodes: int = Field(
        default=5000,
        gt=0,
        description="The most tasks on all its pages together that a document may have.",
    )
    graphql_persisted_queries: int = Field(
        default=1000,
        ge=0,
        description="How many documents to remember, 4 MiB in all, so that clients may ask for "
        "them by their hashes (automatic persisted queries). 0 turns it off.",
    )

    @property
    def mcp_url(self) -> str | None:
        """Where assistants reach this server; None: that is not known."""
        return None if self.public_url is None else self.public_url.rstrip("/") + MCP_PATH

    @property
    def limits(self) -> Limits:
        return Limits(
            tokens=self.graphql_max_tokens,
            depth=self.graphql_max_depth,
            aliases=self.graphql_max_aliases,
            directives=self.graphql_max_directives,
            root_fields=self.graphql_max_root_fields,
            nodes=self.graphql_max_nodes,
        )
