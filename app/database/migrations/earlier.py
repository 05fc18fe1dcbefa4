"""Functions of the database as earlier migrations made them, for a migration that is taken back."""

import re
from importlib import import_module
from pathlib import Path

VERSIONS = Path(__file__).parent / "versions"


def made_by(file: str, name: str) -> str:
    """Return the statement that makes a function again what a file of an earlier migration says."""
    fold = import_module("app.database.migrations.versions.0009_fold")
    text = (VERSIONS / file).read_text(encoding="utf-8")
    (made,) = re.findall(
        rf"^CREATE (?:OR REPLACE )?(FUNCTION {name}\(.*?^END \$\$);", text, re.DOTALL | re.M
    )
    return str(fold.in_this_schema(f"CREATE OR REPLACE {made}"))
