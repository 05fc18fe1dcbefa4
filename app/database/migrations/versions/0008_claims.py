"""Claims: a user's name and address follow the newest token, where no other table has users

Code from before goes on working: it adds rows without a time of their claims, which the next token
then fills in.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

kind = "before"
serves = "0.1.0"
locks = {"users": "ACCESS EXCLUSIVE"}
rewrites = {"users": "indexed under its lock"}

# It acts as whoever migrates: the server's role may change no row in users, not even its own.
TAKE_CLAIMS = """
DO $do$ BEGIN
    EXECUTE format($create$
        CREATE FUNCTION take_claims(said_name text, said_email text, said_at timestamptz)
        RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, %1$I, pg_temp AS $$
        DECLARE
            owner text := nullif(current_setting('app.user_id', true), '');
            is_taken boolean := false;
            is_anothers boolean := false;
        BEGIN
            IF said_email IS NOT NULL THEN
                -- One address is nobody's or one user's, however many claim it at once.
                PERFORM pg_advisory_xact_lock(hashtextextended('users.email ' || said_email, 0));
            END IF;
            PERFORM FROM users
            WHERE id = owner AND (claims_at IS NULL OR claims_at < said_at) FOR UPDATE;
            IF NOT FOUND THEN
                RETURN false;
            END IF;
            IF said_email IS NOT NULL THEN
                UPDATE users SET email = NULL, email_verified = false, updated_at = now()
                WHERE lower(email) = said_email AND id <> owner
                  AND (claims_at IS NULL OR claims_at < said_at OR NOT email_verified);
                is_taken := FOUND;
                is_anothers := EXISTS (SELECT FROM users
                                       WHERE lower(email) = said_email AND id <> owner);
            END IF;
            UPDATE users
            SET name = coalesce(said_name, name),
                email = CASE WHEN is_anothers THEN NULL ELSE coalesce(said_email, email) END,
                email_verified = CASE WHEN said_email IS NULL THEN email_verified
                                 ELSE NOT is_anothers END,
                claims_at = said_at,
                updated_at = now()
            WHERE id = owner;
            RETURN is_taken;
        END $$
    $create$, current_schema());
END $do$
"""

STATEMENTS = [
    "ALTER TABLE users ADD COLUMN IF NOT EXISTS claims_at timestamptz",
    "CREATE INDEX users_by_email ON users (lower(email))",
    TAKE_CLAIMS,
    "REVOKE ALL ON FUNCTION take_claims(text, text, timestamptz) FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION take_claims(text, text, timestamptz) TO todo_api",
    "GRANT SELECT (claims_at), INSERT (claims_at) ON users TO todo_api",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION take_claims(text, text, timestamptz)")
    op.execute("DROP INDEX users_by_email")
    op.execute("ALTER TABLE users DROP COLUMN claims_at")
