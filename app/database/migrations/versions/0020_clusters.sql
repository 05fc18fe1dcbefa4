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

-- As in 0011. Several columns are not set by one sub-select where rows lie on several nodes.
CREATE OR REPLACE FUNCTION take_number(owner text, length integer, INOUT id bigint,
                                       INOUT number integer, OUT place bigint)
LANGUAGE plpgsql AS $$
DECLARE
    fresh bigint := coalesce(id, (floor(extract(epoch FROM clock_timestamp()))::bigint << 21)
                                 + floor(random() * 2097152)::bigint);
    quota text := current_setting('app.quota', true);
    given integer := number;
    step integer := CASE WHEN number IS NULL THEN 1 ELSE 0 END;
    things bigint;
    size bigint;
BEGIN
    UPDATE SCHEMA.task_counters c
    SET version = greatest(c.version + step, given),
        last_id = greatest(c.last_id + 1, fresh), tasks = c.tasks + 1, bytes = c.bytes + length
    WHERE c.user_id = owner
    RETURNING c.version, c.last_id, c.tasks, c.bytes INTO number, place, things, size;
    IF NOT FOUND THEN
        INSERT INTO SCHEMA.task_counters AS c (user_id, version, last_id, tasks, bytes)
        VALUES (owner, coalesce(given, 1), greatest(fresh, 3308963600793601), 1, length)
        ON CONFLICT (user_id) DO UPDATE
        SET version = greatest(c.version + step, given),
            last_id = greatest(c.last_id + 1, fresh), tasks = c.tasks + 1, bytes = c.bytes + length
        RETURNING c.version, c.last_id, c.tasks, c.bytes INTO number, place, things, size;
    END IF;
    IF things IS NULL OR size IS NULL THEN
        -- Nobody has counted what the owner has.
        SELECT s.things + 1, s.bytes + length INTO things, size FROM SCHEMA.stored_by(owner) AS s;
        UPDATE SCHEMA.task_counters c SET tasks = things, bytes = size WHERE c.user_id = owner;
    END IF;
    IF quota <> '' AND (things > split_part(quota, ' ', 1)::bigint
                        OR size > split_part(quota, ' ', 2)::bigint) THEN
        RAISE 'the quota has no room' USING ERRCODE = 'TD005';
    END IF;
    id := coalesce(id, place);
END $$;

CREATE OR REPLACE FUNCTION take_next_number(owner text, growth integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    quota text := current_setting('app.quota', true);
    number integer;
    things bigint;
    size bigint;
BEGIN
    UPDATE SCHEMA.task_counters c SET version = c.version + 1, bytes = c.bytes + growth
    WHERE c.user_id = owner RETURNING c.version, c.bytes INTO number, size;
    IF growth <> 0 AND size IS NULL THEN
        -- Nobody has counted what the owner has.
        SELECT s.things, s.bytes + growth INTO things, size FROM SCHEMA.stored_by(owner) AS s;
        UPDATE SCHEMA.task_counters c SET tasks = things, bytes = size WHERE c.user_id = owner;
    END IF;
    IF growth > 0 AND quota <> '' AND size > split_part(quota, ' ', 2)::bigint THEN
        RAISE 'the quota has no room' USING ERRCODE = 'TD005';
    END IF;
    RETURN number;
END $$;

-- As in 0011, owner by owner: one statement for several would ask other nodes.
CREATE OR REPLACE FUNCTION note_what_is_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
DECLARE
    owners record;
BEGIN
    -- Who saw a task in the trash knows; a task that never was there leaves no trace, so its going
    -- takes a number of its own.
    FOR owners IN
        SELECT user_id, max(version) AS version, bool_or(deleted_at IS NULL) AS unseen,
               count(*) AS tasks, sum(length_of(title, description, labels)) AS bytes
        FROM gone GROUP BY user_id ORDER BY user_id
    LOOP
        UPDATE task_counters c
        SET version = CASE WHEN owners.unseen THEN c.version + 1 ELSE c.version END,
            purged_version = CASE WHEN owners.unseen THEN c.version + 1
                             ELSE greatest(c.purged_version, owners.version) END,
            tasks = c.tasks - owners.tasks,
            bytes = c.bytes - owners.bytes
        WHERE c.user_id = owners.user_id;
    END LOOP;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION remove_steps() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
DECLARE
    owners record;
BEGIN
    FOR owners IN SELECT user_id, array_agg(key) AS keys FROM gone GROUP BY user_id LOOP
        DELETE FROM action_steps a
        WHERE a.user_id = owners.user_id AND a.key = ANY (owners.keys);
    END LOOP;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION note_what_lists_are_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
DECLARE
    owners record;
BEGIN
    FOR owners IN
        SELECT user_id, max(version) AS version, bool_or(deleted_at IS NULL) AS unseen,
               count(*) AS lists, sum(octet_length(name)) AS bytes
        FROM gone GROUP BY user_id ORDER BY user_id
    LOOP
        UPDATE task_counters c
        SET version = CASE WHEN owners.unseen THEN c.version + 1 ELSE c.version END,
            purged_version = CASE WHEN owners.unseen THEN c.version + 1
                             ELSE greatest(c.purged_version, owners.version) END,
            tasks = c.tasks - owners.lists,
            bytes = c.bytes - owners.bytes
        WHERE c.user_id = owners.user_id;
    END LOOP;
    RETURN NULL;
END $$;

-- As in 0006 and 0019 where the tables are on one node. Elsewhere the oldest rows are looked for on
-- all nodes, and deleted owner by owner. Nobody is waited for here either.
CREATE OR REPLACE FUNCTION purge_trash(days integer, at_most integer) RETURNS integer
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp
-- A cluster passes instants on as the session writes them, to sessions that may read them otherwise.
SET DateStyle = iso AS $$
DECLARE
    until timestamptz := now() - make_interval(
        days => greatest(days, (SELECT trash_retention_days FROM installation), 1));
    owners record;
    has_turn boolean;
    count integer;
    purged integer := 0;
    passed text[] := '{}';
    passed_before integer;
BEGIN
    IF is_distributed() THEN
        PERFORM set_config('citus.multi_task_query_log_level', 'off', true);
        -- Once more as long as somebody is passed over: others have old tasks, too.
        LOOP
            passed_before := cardinality(passed);
            FOR owners IN
                SELECT old.user_id, array_agg(old.id) AS ids FROM (
                    SELECT t.user_id, t.id FROM tasks t
                    WHERE t.deleted_at < until AND t.user_id <> ALL (passed)
                    ORDER BY t.deleted_at LIMIT least(at_most, 1000) - purged) AS old
                GROUP BY old.user_id
            LOOP
                count := 0;
                SELECT pg_try_advisory_xact_lock(hashtextextended(c.user_id, 0)) INTO has_turn
                FROM task_counters c WHERE c.user_id = owners.user_id
                FOR NO KEY UPDATE SKIP LOCKED;
                IF has_turn THEN
                    DELETE FROM tasks t WHERE t.user_id = owners.user_id AND t.id IN (
                        SELECT o.id FROM tasks o
                        WHERE o.user_id = owners.user_id AND o.id = ANY (owners.ids)
                          AND o.deleted_at < until FOR UPDATE SKIP LOCKED);
                    GET DIAGNOSTICS count = ROW_COUNT;
                    purged := purged + count;
                END IF;
                IF count < cardinality(owners.ids) THEN
                    passed := array_append(passed, owners.user_id);
                END IF;
            END LOOP;
            EXIT WHEN cardinality(passed) = passed_before;
        END LOOP;
        IF purged < least(at_most, 1000) THEN
            FOR owners IN
                SELECT old.user_id, array_agg(old.id) AS ids FROM (
                    SELECT l.user_id, l.id FROM task_lists l
                    WHERE l.deleted_at < until AND l.user_id <> ALL (passed)
                    ORDER BY l.deleted_at LIMIT 1000) AS old
                GROUP BY old.user_id
            LOOP
                SELECT pg_try_advisory_xact_lock(hashtextextended(c.user_id, 0)) INTO has_turn
                FROM task_counters c WHERE c.user_id = owners.user_id
                FOR NO KEY UPDATE SKIP LOCKED;
                CONTINUE WHEN has_turn IS NOT TRUE;
                DELETE FROM task_lists l WHERE l.user_id = owners.user_id AND l.id IN (
                    SELECT o.id FROM task_lists o
                    WHERE o.user_id = owners.user_id AND o.id = ANY (owners.ids)
                      AND o.deleted_at < until
                      AND NOT EXISTS (SELECT FROM tasks t
                                      WHERE t.user_id = owners.user_id AND t.list_id = o.id)
                    FOR UPDATE SKIP LOCKED);
            END LOOP;
        END IF;
        RETURN purged;
    END IF;
    -- Whoever calls this can keep the trash for longer, and no shorter. An owner's turn is taken
    -- before a row; owners who are changing something are passed over.
    DELETE FROM tasks WHERE (user_id, id) IN (
        SELECT t.user_id, t.id FROM tasks t JOIN task_counters c USING (user_id)
        WHERE t.deleted_at < until
          AND pg_try_advisory_xact_lock(hashtextextended(t.user_id, 0))
        ORDER BY t.deleted_at LIMIT least(at_most, 1000)
        FOR NO KEY UPDATE OF c SKIP LOCKED FOR UPDATE OF t SKIP LOCKED);
    GET DIAGNOSTICS purged = ROW_COUNT;
    IF purged < least(at_most, 1000) THEN
        -- The tasks of a list are as old as it is in the trash, or older.
        DELETE FROM task_lists WHERE (user_id, id) IN (
            SELECT l.user_id, l.id FROM task_lists l JOIN task_counters c USING (user_id)
            WHERE l.deleted_at < until
              AND NOT EXISTS (SELECT FROM tasks t
                              WHERE t.user_id = l.user_id AND t.list_id = l.id)
              AND pg_try_advisory_xact_lock(hashtextextended(l.user_id, 0))
            ORDER BY l.deleted_at LIMIT 1000
            FOR NO KEY UPDATE OF c SKIP LOCKED FOR UPDATE OF l SKIP LOCKED);
    END IF;
    RETURN purged;
END $$;

CREATE OR REPLACE FUNCTION purge_idempotency_keys(at_most integer) RETURNS integer
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp
SET DateStyle = iso AS $$
DECLARE
    until timestamptz := now() - make_interval(
        days => greatest((SELECT idempotency_retention_days FROM installation), 1));
    owners record;
    count integer;
    purged integer := 0;
BEGIN
    IF is_distributed() THEN
        PERFORM set_config('citus.multi_task_query_log_level', 'off', true);
        FOR owners IN
            SELECT old.user_id, array_agg(old.key) AS keys FROM (
                SELECT k.user_id, k.key FROM idempotency_keys k WHERE k.created_at < until
                ORDER BY k.created_at LIMIT least(at_most, 1000)) AS old
            GROUP BY old.user_id
        LOOP
            DELETE FROM idempotency_keys k WHERE k.user_id = owners.user_id AND k.key IN (
                SELECT o.key FROM idempotency_keys o
                WHERE o.user_id = owners.user_id AND o.key = ANY (owners.keys)
                  AND o.created_at < until FOR UPDATE SKIP LOCKED);
            GET DIAGNOSTICS count = ROW_COUNT;
            purged := purged + count;
        END LOOP;
        RETURN purged;
    END IF;
    -- Whoever calls this deletes what the installation lets go, whatever the server is told.
    DELETE FROM idempotency_keys WHERE (user_id, key) IN (
        SELECT user_id, key FROM idempotency_keys WHERE created_at < until
        ORDER BY created_at LIMIT least(at_most, 1000) FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS purged = ROW_COUNT;
    RETURN purged;
END $$;
