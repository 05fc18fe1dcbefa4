"""${message}"""

from alembic import op
${imports if imports else ""}
revision = "${up_revision}"
down_revision = ${f'"{down_revision}"' if down_revision else None}
branch_labels = None
depends_on = None

# Before or after the servers are replaced; the oldest version of the code that works afterwards;
# the strongest lock on each table; and what is done with every row, as steps.py names it.
kind = "before"
serves = "?"
locks: dict[str, str] = {}
rewrites: dict[str, str] = {}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
