"""What the tests of tokens share: an authentication server, and a forger who knows its keys."""

from collections.abc import Iterator

import pytest
from jwt.algorithms import RSAAlgorithm

from auth.algorithms import ASYMMETRIC_ALGORITHMS
from tests.auth.forging import SET_SECRET, Forge, b64
from tests.auth_server import AuthServer


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    server = AuthServer()
    kids = {algorithm: server.add_key(algorithm) for algorithm in ASYMMETRIC_ALGORITHMS}
    kids["stranger"] = server.add_key("EdDSA")
    server.remove_key(kids["stranger"])
    kids["leaked"] = server.add_key("RS256")
    leaked = RSAAlgorithm.to_jwk(server.private_keys[kids["leaked"]][1], as_dict=True)
    server.public_keys[-1] |= leaked
    server.public_keys.append({"kty": "oct", "kid": "shared", "k": b64(SET_SECRET)})
    yield Forge(server, kids)
    server.stop()
