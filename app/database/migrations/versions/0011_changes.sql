
-- A change takes its owner's turn before any other row: what its triggers then read is committed,
-- and nobody else changes anything of the owner's. So no two changes wait for each other crosswise.
-- An advisory lock costs a third of what it costs to lock a row. Whoever is no user takes none.
CREATE FUNCTION lock_owner() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(
        hashtextextended(nullif(current_setting('app.user_id', true), ''), 0));
    RETURN NULL;
END $$;

-- The id, the version and the place of a new thing, whatever its kind. An id that is left out is
-- made of the seconds since 1970 and 21 random bits, and is greater than any the owner has. `length`
-- is in bytes. `number`: code from before has taken the version already.
--
-- `app.quota` has the most things and the most bytes that the owner may have; none where it is not
-- set.
CREATE FUNCTION take_number(owner text, length integer, INOUT id bigint, INOUT number integer,
                            OUT place bigint)
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
        UPDATE SCHEMA.task_counters c
        SET (tasks, bytes) = (SELECT s.things + 1, s.bytes + length
                              FROM SCHEMA.stored_by(owner) AS s)
        WHERE c.user_id = owner RETURNING c.tasks, c.bytes INTO things, size;
    END IF;
    IF quota <> '' AND (things > split_part(quota, ' ', 1)::bigint
                        OR size > split_part(quota, ' ', 2)::bigint) THEN
        RAISE 'the quota has no room' USING ERRCODE = 'TD005';
    END IF;
    id := coalesce(id, place);
END $$;

-- The bytes of a task's texts, which count for the quota.
CREATE FUNCTION length_of(title text, description text, labels text[]) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT octet_length(title) + coalesce(octet_length(description), 0)
           + octet_length(array_to_string(labels, ''))
$$;

-- How many tasks and lists an owner has, and the bytes of their texts, counted.
CREATE FUNCTION stored_by(owner text, OUT things bigint, OUT bytes bigint)
LANGUAGE sql STABLE AS $$
    SELECT sum(c.things)::bigint, sum(c.bytes)::bigint FROM (
        SELECT count(*), coalesce(sum(SCHEMA.length_of(t.title, t.description, t.labels)), 0)
        FROM SCHEMA.tasks t WHERE t.user_id = owner
        UNION ALL
        SELECT count(*), coalesce(sum(octet_length(l.name)), 0)
        FROM SCHEMA.task_lists l WHERE l.user_id = owner) AS c (things, bytes)
$$;

-- The number of a change, which also makes texts longer by `growth` bytes, or shorter.
CREATE FUNCTION take_next_number(owner text, growth integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    quota text := current_setting('app.quota', true);
    number integer;
    size bigint;
BEGIN
    UPDATE SCHEMA.task_counters c SET version = c.version + 1, bytes = c.bytes + growth
    WHERE c.user_id = owner RETURNING c.version, c.bytes INTO number, size;
    IF growth <> 0 AND size IS NULL THEN
        -- Nobody has counted what the owner has.
        UPDATE SCHEMA.task_counters c
        SET (tasks, bytes) = (SELECT s.things, s.bytes + growth FROM SCHEMA.stored_by(owner) AS s)
        WHERE c.user_id = owner RETURNING c.bytes INTO size;
    END IF;
    IF growth > 0 AND quota <> '' AND size > split_part(quota, ' ', 2)::bigint THEN
        RAISE 'the quota has no room' USING ERRCODE = 'TD005';
    END IF;
    RETURN number;
END $$;

-- Refuses an id that something of the owner's has, of any kind, in the trash or not.
CREATE FUNCTION check_id(owner text, given bigint) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM SCHEMA.tasks t WHERE t.user_id = owner AND t.id = given)
            OR EXISTS (SELECT FROM SCHEMA.task_lists l WHERE l.user_id = owner AND l.id = given) THEN
        RAISE 'the id is taken' USING ERRCODE = 'TD004', DETAIL = given;
    END IF;
END $$;

-- The labels of a task as they are stored: one of each key, in the order given, each spelled as the
-- owner's other tasks have it. `app.spelling` = 'given': as they are.
CREATE FUNCTION spelled(owner text, given text[]) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
    as_given boolean := coalesce(current_setting('app.spelling', true) = 'given', false);
BEGIN
    RETURN (
        SELECT coalesce(array_agg(name ORDER BY place), '{}')
        FROM (
            SELECT DISTINCT ON (k.key) k.place,
                   -- The order makes PostgreSQL take the index.
                   coalesce(CASE WHEN NOT as_given THEN (
                       SELECT l.name FROM SCHEMA.task_labels l
                       WHERE l.user_id = owner AND l.key = k.key
                       ORDER BY l.key, l.task_id LIMIT 1) END, k.said) AS name
            FROM (SELECT said, place, SCHEMA.label_key(said) COLLATE "C" AS key
                  FROM unnest(given) WITH ORDINALITY AS given (said, place)) AS k
            ORDER BY k.key, k.place) AS each);
END $$;

-- The rows of task_labels of a task that is not in the trash.
CREATE FUNCTION add_labels(owner text, task bigint, labels text[]) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO SCHEMA.task_labels (user_id, key, task_id, name)
    SELECT owner, SCHEMA.label_key(name), task, name FROM unnest(labels) AS name
$$;

-- What follows from a new task: its version, id and place, and the columns that are made of others.
CREATE FUNCTION note_new_task() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    folded text := SCHEMA.fold(NEW.title);
    place bigint;
    number integer;
BEGIN
    NEW.title_key := lower(NEW.title);
    NEW.title_order := SCHEMA.place_of(folded);
    folded := concat_ws(' ', folded, SCHEMA.fold(NEW.description));
    IF NEW.labels <> '{}' THEN
        NEW.labels := SCHEMA.spelled(NEW.user_id, NEW.labels);
        folded := concat_ws(' ', folded, SCHEMA.fold(array_to_string(NEW.labels, ' ')));
    END IF;
    NEW.words := array_to_tsvector(SCHEMA.words_in(NEW.user_id, folded));
    IF NEW.due_on IS NOT NULL THEN
        -- A task for a whole day is late when the day is over.
        NEW.due_at := NEW.due_on + coalesce(NEW.due_time, '23:59:59.999999');
    ELSIF NEW.due_time IS NOT NULL THEN
        RAISE 'a time needs a day' USING ERRCODE = 'TD006';
    END IF;
    IF NEW.completed THEN
        NEW.completed_at := coalesce(NEW.completed_at, now());
    ELSE
        NEW.completed_at := NULL;
        NEW.completed_on := NULL;
    END IF;
    IF NEW.version IS NULL AND NEW.id IS NOT NULL THEN
        PERFORM SCHEMA.check_id(NEW.user_id, NEW.id);
    END IF;
    IF NEW.list_id IS NOT NULL OR NEW.parent_id IS NOT NULL THEN
        NEW.list_id := SCHEMA.checked_list(NEW.user_id, NEW.id, NEW.list_id, NEW.parent_id);
    END IF;
    SELECT taken.id, taken.number, taken.place INTO NEW.id, number, place
    FROM SCHEMA.take_number(
        NEW.user_id, SCHEMA.length_of(NEW.title, NEW.description, NEW.labels), NEW.id, NEW.version)
        AS taken;
    NEW.version := coalesce(NEW.version, number);
    IF NEW.labels <> '{}' AND NEW.deleted_at IS NULL THEN
        -- Before the row is there: the next one of the same statement is to be spelled alike.
        PERFORM SCHEMA.add_labels(NEW.user_id, NEW.id, NEW.labels);
    END IF;
    NEW.position := CASE WHEN current_setting('app.place', true) <> ''
        THEN SCHEMA.key_of_task(NEW.user_id, NEW.list_id, NEW.parent_id, NULL)
        ELSE coalesce(NEW.position, SCHEMA.key_of_number(place)) END;
    RETURN NEW;
END $$;

-- Whether the statement that is running makes the same change to this task, before or after:
-- `app.together` has the ids of all that it changes.
CREATE FUNCTION changes_too(task bigint) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(task = ANY (nullif(current_setting('app.together', true), '')::bigint[]), false)
$$;

-- What follows from a change of a task. Where all that clients see stays as it is, so do the version
-- and the time of the last change.
CREATE FUNCTION note_changed_task() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    folded text;
    growth integer := 0;
    list bigint;
    is_asked boolean;
    place bigint;
BEGIN
    IF NEW.completed <> OLD.completed THEN
        NEW.completed_at := CASE WHEN NEW.completed THEN coalesce(NEW.completed_at, now()) END;
    ELSE
        NEW.completed_on := OLD.completed_on;
    END IF;
    IF NOT NEW.completed THEN
        NEW.completed_on := NULL;
    END IF;
    IF NEW.deleted_at IS NULL AND (NEW.list_id IS NOT NULL OR NEW.parent_id IS NOT NULL)
            AND (OLD.deleted_at IS NOT NULL OR NEW.list_id IS DISTINCT FROM OLD.list_id
                 OR NEW.parent_id IS DISTINCT FROM OLD.parent_id) THEN
        IF OLD.deleted_at IS NOT NULL THEN
            -- Where its parent is gone or full it is at the top; where its list is, in the inbox.
            SELECT t.list_id INTO list FROM SCHEMA.tasks t
            WHERE t.user_id = NEW.user_id AND t.id = NEW.parent_id
              AND (t.deleted_at IS NULL OR SCHEMA.changes_too(t.id))
              AND (SELECT count(*) FROM SCHEMA.tasks c
                   WHERE c.user_id = NEW.user_id AND c.parent_id = NEW.parent_id
                     AND c.deleted_at IS NULL) < 100;
            IF FOUND THEN
                NEW.list_id := list;
            ELSE
                NEW.parent_id := NULL;
            END IF;
            NEW.list_id := (SELECT l.id FROM SCHEMA.task_lists l
                            WHERE l.user_id = NEW.user_id AND l.id = NEW.list_id
                              AND l.deleted_at IS NULL);
        ELSIF NEW.parent_id IS NOT DISTINCT FROM OLD.parent_id
                AND SCHEMA.changes_too(NEW.parent_id) THEN
            -- Its parent goes into the same list.
            PERFORM SCHEMA.checked_list(NEW.user_id, NEW.id, NEW.list_id, NULL);
        ELSE
            IF NEW.has_subtasks AND NEW.parent_id IS NOT NULL THEN
                NEW.has_subtasks := EXISTS (
                    SELECT FROM SCHEMA.tasks t
                    WHERE t.user_id = NEW.user_id AND t.parent_id = NEW.id);
                IF NEW.has_subtasks THEN
                    RAISE 'a task with subtasks has no parent' USING ERRCODE = 'TD001';
                END IF;
            END IF;
            -- It is in its parent's list, and goes there where no list is asked for. Who asks for
            -- the list that it is in already says so.
            is_asked := NEW.parent_id IS NULL OR NEW.list_id IS DISTINCT FROM OLD.list_id
                        OR current_setting('app.list', true) = 'given';
            list := SCHEMA.checked_list(
                NEW.user_id, NEW.id, CASE WHEN is_asked THEN NEW.list_id END, NEW.parent_id);
            IF is_asked AND list IS DISTINCT FROM NEW.list_id THEN
                RAISE 'a subtask is in the list of its parent' USING ERRCODE = 'TD008';
            END IF;
            NEW.list_id := list;
        END IF;
    END IF;
    IF NEW.position IS NULL THEN
        NEW.position := SCHEMA.key_of_task(NEW.user_id, NEW.list_id, NEW.parent_id, NEW.id);
    ELSIF NEW.position = OLD.position AND (
            NEW.parent_id IS DISTINCT FROM OLD.parent_id
            OR NEW.parent_id IS NULL AND NEW.list_id IS DISTINCT FROM OLD.list_id) THEN
        -- At the bottom of where it comes to.
        UPDATE SCHEMA.task_counters c SET last_id = c.last_id + 1
        WHERE c.user_id = NEW.user_id RETURNING c.last_id INTO place;
        NEW.position := SCHEMA.key_of_number(place);
    END IF;
    IF NEW.labels <> '{}' AND NEW.deleted_at IS NULL
            AND (NEW.labels <> OLD.labels OR OLD.deleted_at IS NOT NULL) THEN
        NEW.labels := SCHEMA.spelled(NEW.user_id, NEW.labels);
    END IF;
    IF NEW.labels <> OLD.labels OR NEW.labels <> '{}'
            AND (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL) THEN
        DELETE FROM SCHEMA.task_labels l WHERE l.user_id = NEW.user_id AND l.task_id = NEW.id;
        IF NEW.deleted_at IS NULL THEN
            PERFORM SCHEMA.add_labels(NEW.user_id, NEW.id, NEW.labels);
        END IF;
    END IF;
    IF NEW.title <> OLD.title OR NEW.description IS DISTINCT FROM OLD.description
            OR NEW.labels <> OLD.labels OR NEW.user_id <> OLD.user_id THEN
        IF cardinality(NEW.labels) > 20 THEN
            RAISE 'a task has too many labels' USING ERRCODE = 'TD007';
        END IF;
        folded := SCHEMA.fold(NEW.title);
        NEW.title_key := lower(NEW.title);
        NEW.title_order := SCHEMA.place_of(folded);
        NEW.words := array_to_tsvector(SCHEMA.words_in(NEW.user_id, concat_ws(
            ' ', folded, SCHEMA.fold(NEW.description),
            SCHEMA.fold(array_to_string(NEW.labels, ' ')))));
        growth := SCHEMA.length_of(NEW.title, NEW.description, NEW.labels)
                  - SCHEMA.length_of(OLD.title, OLD.description, OLD.labels);
    END IF;
    IF NEW.due_on IS DISTINCT FROM OLD.due_on OR NEW.due_time IS DISTINCT FROM OLD.due_time THEN
        IF NEW.due_on IS NULL AND NEW.due_time IS NOT NULL THEN
            RAISE 'a time needs a day' USING ERRCODE = 'TD006';
        END IF;
        NEW.due_at := coalesce(NEW.due_on + coalesce(NEW.due_time, '23:59:59.999999'), 'infinity');
    END IF;
    -- Code from before has taken the version already.
    IF NEW.version = OLD.version THEN
        IF NEW.title = OLD.title AND NEW.completed = OLD.completed
                AND NEW.description IS NOT DISTINCT FROM OLD.description
                AND NEW.deleted_at IS NOT DISTINCT FROM OLD.deleted_at
                AND NEW.due_on IS NOT DISTINCT FROM OLD.due_on
                AND NEW.due_time IS NOT DISTINCT FROM OLD.due_time
                AND NEW.priority = OLD.priority AND NEW.labels = OLD.labels
                AND NEW.list_id IS NOT DISTINCT FROM OLD.list_id
                AND NEW.parent_id IS NOT DISTINCT FROM OLD.parent_id
                -- It is null until the migration has filled it in.
                AND (NEW.position = OLD.position OR OLD.position IS NULL) THEN
            RETURN NEW;
        END IF;
        IF growth <> 0 THEN
            NEW.version := SCHEMA.take_next_number(NEW.user_id, growth);
        ELSE
            UPDATE SCHEMA.task_counters c SET version = c.version + 1
            WHERE c.user_id = NEW.user_id RETURNING c.version INTO NEW.version;
        END IF;
        IF NEW.updated_at = OLD.updated_at THEN
            NEW.updated_at := now();
        END IF;
    ELSIF growth <> 0 THEN
        UPDATE SCHEMA.task_counters c SET bytes = c.bytes + growth WHERE c.user_id = NEW.user_id;
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION note_what_is_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
BEGIN
    -- Who saw a task in the trash knows; a task that never was there leaves no trace, so its going
    -- takes a number of its own.
    UPDATE task_counters c
    SET version = CASE WHEN g.unseen THEN c.version + 1 ELSE c.version END,
        purged_version = CASE WHEN g.unseen THEN c.version + 1
                         ELSE greatest(c.purged_version, g.version) END,
        tasks = c.tasks - g.tasks,
        bytes = c.bytes - g.bytes
    FROM (SELECT user_id, max(version) AS version, bool_or(deleted_at IS NULL) AS unseen,
                 count(*) AS tasks, sum(length_of(title, description, labels)) AS bytes
          FROM gone GROUP BY user_id) AS g
    WHERE c.user_id = g.user_id;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION purge_trash(days integer, at_most integer) RETURNS integer
LANGUAGE plpgsql STRICT SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
DECLARE
    purged integer;
BEGIN
    -- Whoever calls this can keep the trash for longer, and no shorter. An owner's turn is taken
    -- before a row; owners who are changing something are passed over.
    DELETE FROM tasks WHERE (user_id, id) IN (
        SELECT t.user_id, t.id FROM tasks t JOIN task_counters c USING (user_id)
        WHERE t.deleted_at < now() - make_interval(
            days => greatest(days, (SELECT trash_retention_days FROM installation), 1))
          AND pg_try_advisory_xact_lock(hashtextextended(t.user_id, 0))
        ORDER BY t.deleted_at LIMIT least(at_most, 1000)
        FOR NO KEY UPDATE OF c SKIP LOCKED FOR UPDATE OF t SKIP LOCKED);
    GET DIAGNOSTICS purged = ROW_COUNT;
    IF purged < least(at_most, 1000) THEN
        -- The tasks of a list are as old as it is in the trash, or older.
        DELETE FROM task_lists WHERE (user_id, id) IN (
            SELECT l.user_id, l.id FROM task_lists l JOIN task_counters c USING (user_id)
            WHERE l.deleted_at < now() - make_interval(
                days => greatest(days, (SELECT trash_retention_days FROM installation), 1))
              AND NOT EXISTS (SELECT FROM tasks t
                              WHERE t.user_id = l.user_id AND t.list_id = l.id)
              AND pg_try_advisory_xact_lock(hashtextextended(l.user_id, 0))
            ORDER BY l.deleted_at LIMIT 1000
            FOR NO KEY UPDATE OF c SKIP LOCKED FOR UPDATE OF l SKIP LOCKED);
    END IF;
    RETURN purged;
END $$;
