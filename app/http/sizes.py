"""How large a request may be: apart, for the process that starts workers imports no more."""

REQUEST_MAX_BYTES = 100 * 1024
"""Bytes of a request: of its body, or of its message on a socket."""

MESSAGE_MAX_BYTES = 2 * REQUEST_MAX_BYTES
"""Bytes of a message. A request that is too large, but fits into one, costs no other its socket."""
