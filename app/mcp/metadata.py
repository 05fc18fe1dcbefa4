"""What OAuth's clients are told of this server (RFC 9728): who gives tokens for it, and which."""

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse

from auth.refusals import InsufficientScope, Unauthenticated
from auth.scopes import Scope

WELL_KNOWN = "/.well-known/oauth-protected-resource"
"""RFC 9728, 3: the path of the resource comes behind it."""

SCOPES = [scope.value for scope in Scope]


class Metadata:
    """Tells what a resource is, and leads whoever is refused there."""

    def __init__(self, resource: str, authorization_server: str) -> None:
        """`resource`: its URL. `authorization_server`: the issuer of its tokens."""
        self._document = {
            "resource": resource,
            "resource_name": "Todo API",
            "authorization_servers": [authorization_server],
            "scopes_supported": SCOPES,
            "bearer_methods_supported": ["header"],
        }
        parts = urlsplit(resource)
        self.url = parts._replace(path=WELL_KNOWN + parts.path).geturl()

    async def answer(self, _request: Request) -> JSONResponse:
        """Answer with the metadata, to pages of any origin: nothing in it is secret."""
        return JSONResponse(self._document, headers={"access-control-allow-origin": "*"})

    def challenge(self, refusal: Unauthenticated | InsufficientScope) -> str:
        """Return the `WWW-Authenticate` of a refusal, with where the metadata are."""
        parameters = [f'resource_metadata="{self.url}"']
        if isinstance(refusal, Unauthenticated):
            parameters.append(f'scope="{" ".join(SCOPES)}"')
        scheme, _, given = refusal.challenge.partition(" ")
        return f"{scheme} {', '.join([*filter(None, [given]), *parameters])}"
