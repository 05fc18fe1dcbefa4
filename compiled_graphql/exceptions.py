"""The exceptions that leave an operation, or one request for it, to graphql-core."""


class NotCompiled(Exception):
    """The operation uses something that the compiler does not support."""


class Unexpected(Exception):
    """Compiled code met a value, or a question of a resolver, that it does not support."""
