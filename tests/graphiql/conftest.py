"""The fixtures of tests that visit GraphiQL's page."""

from tests.graphiql.visits import open_graphiql

__all__ = ["open_graphiql"]
