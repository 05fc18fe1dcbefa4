-- The role of a Better Auth that shares this server's database: its own tables, and `users`; no task.
-- Run it as the role that owns the database, after `todo-api migrate`; it may be run again:
--
--   psql "$MIGRATION_DATABASE_URL" -v password="$AUTH_PASSWORD" -f deploy/better-auth.sql
\set ON_ERROR_STOP on
SELECT 'CREATE ROLE better_auth LOGIN' WHERE to_regrole('better_auth') IS NULL \gexec
ALTER ROLE better_auth PASSWORD :'password';
SELECT format('GRANT CONNECT ON DATABASE %I TO better_auth', current_database()) \gexec
GRANT USAGE, CREATE ON SCHEMA public TO better_auth;
GRANT SELECT, INSERT, UPDATE, DELETE, REFERENCES ON users TO better_auth;
