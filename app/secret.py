"""The secret that tokens are signed with: the configured one, or one made for development."""

import os
import secrets
from pathlib import Path

from app.failure import make_folder
from app.settings import Settings


def secret_of(settings: Settings) -> str:
    """Return the configured secret, or for development the one made at the first start."""
    return settings.better_auth_secret or _development_secret(_secret_path(settings))


def is_development_secret(settings: Settings) -> bool:
    """Whether the configured secret is the one made for development here."""
    path = _secret_path(settings)
    return path.exists() and settings.better_auth_secret == path.read_text()


def _secret_path(settings: Settings) -> Path:
    return settings.data_dir / "secret"


def _development_secret(path: Path) -> str:
    make_folder(path.parent)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(32))
    try:
        # A link, not a rename: of two processes, the second uses the first one's secret.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()
