"""An authentication server's key set on a real port: it rotates keys, goes down and comes back."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms

from auth.keys import Jwks

PRIVATE_KEYS: dict[str, Callable[[], Any]] = {
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ES512": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
}


class AuthServer:
    """Serves the public halves of its keys as Better Auth's jwt plugin does."""

    def __init__(self) -> None:
        self.private_keys: dict[str, tuple[str, Any]] = {}
        self.public_keys: list[dict[str, Any]] = []
        self.fetches = 0
        self.accepted: str | None = None
        """The header `Accept` of the last fetch."""
        self.answer: tuple[int, bytes] | None = None
        """What to answer in the place of the key set."""
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def jwks_url(self) -> str:
        return f"{self.url}/api/auth/jwks"

    def start(self) -> None:
        """Serve, at the same port as before."""
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.fetches += 1
                owner.accepted = self.headers["Accept"]
                body = json.dumps({"keys": owner.public_keys}).encode()
                status, content = owner.answer or (200, body)
                self.send_response(status if self.path == "/api/auth/jwks" else 404)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        self._port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add_key(self, algorithm: str = "EdDSA", **changes: Any) -> str:
        """Make a key and put it into the set, with changes to its entry; return its kid."""
        kid = f"{algorithm}-{len(self.private_keys)}"
        private = PRIVATE_KEYS[algorithm]()
        self.private_keys[kid] = (algorithm, private)
        public = get_default_algorithms()[algorithm].to_jwk(private.public_key(), as_dict=True)
        entry = {**public, "kid": kid, "alg": algorithm, **changes}
        self.public_keys.append({name: v for name, v in entry.items() if v is not None})
        return kid

    def remove_key(self, kid: str) -> None:
        self.public_keys = [entry for entry in self.public_keys if entry["kid"] != kid]

    def sign(self, claims: dict[str, Any], kid: str, /, **headers: Any) -> str:
        """Return a token of the claims; its header has no `typ`, as Better Auth's has none."""
        algorithm, private = self.private_keys[kid]
        given = {"kid": kid, "typ": None, **headers}
        if given["kid"] is None:
            del given["kid"]
        return jwt.encode(claims, private, algorithm, given)


@asynccontextmanager
async def kept_fresh(jwks: Jwks) -> AsyncIterator[Jwks]:
    """Refresh the keys in the background, as a running server does; close them at the end."""
    refreshing = asyncio.create_task(jwks.keep_fresh())
    try:
        yield jwks
    finally:
        refreshing.cancel()
        await asyncio.wait([refreshing])
        await jwks.aclose()


async def settled(jwks: Jwks) -> None:
    """Wait until the keys have been fetched in the background, if they are to be."""
    while jwks._stale.is_set():
        await asyncio.sleep(0)
    if jwks._fetching is not None:
        await jwks._fetching
