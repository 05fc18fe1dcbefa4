"""The GraphQL endpoint in the OpenAPI document, which FastAPI makes of its own routes alone."""

from typing import Any

from fastapi import FastAPI

_REQUEST = {
    "type": "object",
    "properties": {
        "query": {"type": ["string", "null"], "example": "{ me { name } }"},
        "operationName": {"type": ["string", "null"]},
        "variables": {"type": ["object", "null"]},
        "extensions": {"type": ["object", "null"]},
    },
}
_RESPONSES = {
    "200": {
        "description": "The result: `data`, and `errors` where there are any.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    "400": {"description": "Not a GraphQL request, or one that does not fit the schema."},
    "401": {"description": "No valid token."},
    "503": {"description": "The database cannot be reached; see `Retry-After`."},
}
_ENDPOINT = {
    "get": {
        "summary": "A GraphQL query",
        "security": [{"bearer": []}],
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string"}}
            for name in ("query", "operationName", "variables", "extensions")
        ],
        "responses": _RESPONSES,
    },
    "post": {
        "summary": "A GraphQL query or mutation",
        "security": [{"bearer": []}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _REQUEST}}},
        "responses": _RESPONSES,
    },
}


def describe_endpoint(app: FastAPI, path: str) -> None:
    """Add the endpoint at the path to the application's OpenAPI document."""
    openapi_of_fastapi = app.openapi

    def openapi() -> dict[str, Any]:
        document = openapi_of_fastapi()
        document["paths"][path] = _ENDPOINT
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["bearer"] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        return document

    # FastAPI's documentation extends the document this way.
    app.openapi = openapi  # type: ignore[method-assign]
