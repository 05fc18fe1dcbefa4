"""The signature algorithms of tokens, and what their keys must be."""

ASYMMETRIC_ALGORITHMS = ("EdDSA", "ES256", "ES512", "RS256", "PS256")
"""The algorithms that public keys may be bound to."""

SECRET_MIN_BYTES = 32
"""RFC 7518, 3.2: a key for HS256 is at least as long as the hash."""
