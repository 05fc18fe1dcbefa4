"""The application for ASGI servers and `fastapi dev`: `app.asgi:app`."""

from functools import cache

from fastapi import FastAPI

from app.factory import create_app

_app = cache(create_app)


def __getattr__(name: str) -> FastAPI:
    # Made when a server asks for it, so that importing this module does nothing.
    if name == "app":
        return _app()
    raise AttributeError(name)
