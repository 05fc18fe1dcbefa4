-- What tables that are distributed over several nodes ask of functions.

-- Whether the tables are distributed.
CREATE FUNCTION is_distributed() RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    is_so boolean;
BEGIN
    IF to_regclass('pg_catalog.pg_dist_partition') IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE 'SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = to_regclass($1))'
    INTO is_so USING 'SCHEMA.users';
    RETURN is_so;
END $$;

-- Have a transaction act as an owner, on each node that it comes to: there only what SET LOCAL sets
-- arrives, and only between BEGIN and COMMIT. Returns the owner. `settings`: names and values.
CREATE FUNCTION act_as(owner text, milliseconds text, settings text[]) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SET LOCAL app.user_id TO %L', owner);
    FOR n IN 1 .. coalesce(cardinality(settings), 0) BY 2 LOOP
        IF settings[n] !~ '^app\.[a-z_]+$' THEN
            RAISE 'there is no such setting' USING ERRCODE = '42704';
        END IF;
        EXECUTE format('SET LOCAL %s TO %L', settings[n], settings[n + 1]);
    END LOOP;
    PERFORM set_config('statement_timeout', milliseconds, true);
    RETURN owner;
END $$;

-- As in 0008. Where rows lie on several nodes, nobody can look at all addresses at once.
CREATE OR REPLACE FUNCTION take_claims(said_name text, said_email text, said_at timestamptz)
RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
DECLARE
    owner text := nullif(current_setting('app.user_id', true), '');
    is_unique boolean := said_email IS NOT NULL AND NOT is_distributed();
    is_taken boolean := false;
    is_anothers boolean := false;
BEGIN
    IF is_unique THEN
        -- One address is nobody's or one user's, however many claim it at once.
        PERFORM pg_advisory_xact_lock(hashtextextended('users.email ' || said_email, 0));
    END IF;
    PERFORM FROM users
    WHERE id = owner AND (claims_at IS NULL OR claims_at < said_at) FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF is_unique THEN
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
END $$;

-- Whether tokens say what the name and the address of a user are: only where no other table than
-- these refers to users, as Better Auth's do.
CREATE FUNCTION tokens_count(ours text[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
    SELECT NOT EXISTS (
        SELECT 1 FROM pg_constraint WHERE contype = 'f' AND confrelid = 'users'::regclass
          AND conrelid NOT IN (SELECT name::regclass FROM unnest(ours) AS name))
        AND current_setting('transaction_read_only') = 'off'
$$;

-- As in 0004. Where rows lie on several nodes, the one that is asked must know whose they are.
CREATE OR REPLACE FUNCTION search_tasks(said text, at_most integer)
RETURNS TABLE (owner text, id bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, SCHEMA, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    whose text := nullif(current_setting('app.user_id', true), '');
    asked tsquery := query_for(whose, said);
BEGIN
    IF is_distributed() THEN
        RETURN QUERY
        SELECT t.user_id, t.id FROM tasks AS t
        WHERE t.user_id = whose AND t.words @@ asked LIMIT at_most;
    ELSE
        RETURN QUERY
        WITH found AS MATERIALIZED (
            SELECT t.user_id, t.id FROM tasks AS t WHERE t.words @@ asked)
        SELECT f.user_id, f.id FROM found AS f WHERE f.user_id = whose LIMIT at_most;
    END IF;
END $$;
