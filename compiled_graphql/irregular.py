"""What is said when the compiled way cannot be gone: graphql-core then goes its own."""


class NotCompiled(Exception):
    """The operation uses something that the compiler does not understand."""


class Irregular(Exception):
    """A value is not as the compiled code expects it: missing, wrong, or of an unknown class."""
