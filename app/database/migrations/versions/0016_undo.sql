
-- What a change has overwritten of a task, of all that undo puts back. One by one: to compare two
-- rows as JSON takes ten times as long.
CREATE FUNCTION overwritten_of_task(was record, is_now record) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN is_now.title IS DISTINCT FROM was.title
           THEN jsonb_build_object('title', was.title) ELSE '{}' END
        || CASE WHEN is_now.description IS DISTINCT FROM was.description
           THEN jsonb_build_object('description', was.description) ELSE '{}' END
        || CASE WHEN is_now.completed IS DISTINCT FROM was.completed
           THEN jsonb_build_object('completed', was.completed) ELSE '{}' END
        || CASE WHEN is_now.completed_at IS DISTINCT FROM was.completed_at
           THEN jsonb_build_object('completed_at', was.completed_at) ELSE '{}' END
        || CASE WHEN is_now.completed_on IS DISTINCT FROM was.completed_on
           THEN jsonb_build_object('completed_on', was.completed_on) ELSE '{}' END
        || CASE WHEN is_now.deleted_at IS DISTINCT FROM was.deleted_at
           THEN jsonb_build_object('deleted_at', was.deleted_at) ELSE '{}' END
        || CASE WHEN is_now.list_id IS DISTINCT FROM was.list_id
           THEN jsonb_build_object('list_id', was.list_id) ELSE '{}' END
        || CASE WHEN is_now.parent_id IS DISTINCT FROM was.parent_id
           THEN jsonb_build_object('parent_id', was.parent_id) ELSE '{}' END
        || CASE WHEN is_now.position IS DISTINCT FROM was.position
           THEN jsonb_build_object('position', was.position) ELSE '{}' END
        || CASE WHEN is_now.due_on IS DISTINCT FROM was.due_on
           THEN jsonb_build_object('due_on', was.due_on) ELSE '{}' END
        || CASE WHEN is_now.due_time IS DISTINCT FROM was.due_time
           THEN jsonb_build_object('due_time', was.due_time) ELSE '{}' END
        || CASE WHEN is_now.priority IS DISTINCT FROM was.priority
           THEN jsonb_build_object('priority', was.priority) ELSE '{}' END
        || CASE WHEN is_now.labels IS DISTINCT FROM was.labels
           THEN jsonb_build_object('labels', was.labels) ELSE '{}' END
        || CASE WHEN is_now.repeats IS DISTINCT FROM was.repeats
           THEN jsonb_build_object('repeats', was.repeats) ELSE '{}' END
        || CASE WHEN is_now.successor_id IS DISTINCT FROM was.successor_id
           THEN jsonb_build_object('successor_id', was.successor_id) ELSE '{}' END;
END $$;

-- The same of a list.
CREATE FUNCTION overwritten_of_list(was record, is_now record) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN CASE WHEN is_now.name IS DISTINCT FROM was.name
           THEN jsonb_build_object('name', was.name) ELSE '{}' END
        || CASE WHEN is_now.position IS DISTINCT FROM was.position
           THEN jsonb_build_object('position', was.position) ELSE '{}' END
        || CASE WHEN is_now.deleted_at IS DISTINCT FROM was.deleted_at
           THEN jsonb_build_object('deleted_at', was.deleted_at) ELSE '{}' END;
END $$;

-- Notes what the action that `app.action` names has done to a thing: the number that it had, and
-- the columns that were overwritten; both null where the thing is new. `asked`: the change itself
-- was made to the thing, and did not follow from another. An action takes its numbers one after the
-- other, and `app.action_began` has the first: beyond 5,001 none is noted.
CREATE FUNCTION note_step(owner text, thing bigint, number integer, previous integer, before jsonb)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    began integer := nullif(current_setting('app.action_began', true), '');
    asked boolean := pg_trigger_depth() = 1;
BEGIN
    IF began IS NULL THEN
        PERFORM set_config('app.action_began', number::text, true);
    ELSIF number - began > 5000 THEN
        RETURN;
    END IF;
    IF current_setting('app.undone', true) <> '' THEN
        asked := EXISTS (
            SELECT FROM SCHEMA.action_steps a
            WHERE a.user_id = owner AND a.key = current_setting('app.undone') AND a.id = thing
              AND a.asked);
    END IF;
    INSERT INTO SCHEMA.action_steps (user_id, key, id, version, previous, asked, before)
    VALUES (owner, current_setting('app.action'), thing, number, previous, asked, before);
END $$;

-- What is noted of an action goes with its key. It acts as whoever migrates: keys of all users are
-- deleted by the purge, and those of a user with the user.
CREATE FUNCTION remove_steps() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
BEGIN
    DELETE FROM action_steps a USING gone WHERE a.user_id = gone.user_id AND a.key = gone.key;
    RETURN NULL;
END $$;

-- What the action that `app.undone` names has overwritten of a thing: the first of its changes
-- counts. Null: it has not touched it. What it made is in the trash where it is undone.
CREATE FUNCTION what_was(owner text, thing bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN bool_or(s.before IS NULL) THEN jsonb_build_object('deleted_at', now())
           ELSE jsonb_object_agg(b.name, b.value ORDER BY s.version DESC)
                    FILTER (WHERE b.name IS NOT NULL) END
    FROM SCHEMA.action_steps s LEFT JOIN LATERAL jsonb_each(s.before) AS b (name, value) ON true
    WHERE s.user_id = owner AND s.key = current_setting('app.undone') AND s.id = thing
$$;

-- Takes back what an action did, all of it, and returns what it has touched with the numbers that
-- this takes: first the things that it was asked to change. Nothing comes back, and nothing is
-- written, where there is no such action of the owner's in the last 24 hours, where it has changed
-- nothing or more than 5,000 things, and where anything that it touched has been removed for good.
-- 'TD016': something has changed since, or what a thing would be in is gone or full; the detail is
-- the id of that.
CREATE FUNCTION undo_action(owner text, action text) RETURNS TABLE (id bigint, version integer)
LANGUAGE plpgsql AS $$
DECLARE
    things bigint[];
    numbers integer[];
    former integer[];
    is_whole boolean;
    other bigint;
BEGIN
    -- Whatever is read after this is as those left it who had their turn before. The turn is taken
    -- on the node that the owner's rows lie on.
    PERFORM pg_advisory_xact_lock(hashtextextended(c.user_id, 0))
    FROM SCHEMA.task_counters c WHERE c.user_id = owner;
    SELECT array_agg(s.id ORDER BY s.asked DESC, s.first),
           array_agg(s.last ORDER BY s.asked DESC, s.first),
           array_agg(s.previous ORDER BY s.asked DESC, s.first), sum(s.steps) <= 5000
    INTO things, numbers, former, is_whole
    FROM (SELECT a.id, bool_or(a.asked) AS asked, min(a.version) AS first, max(a.version) AS last,
                 min(a.previous) AS previous, count(*) AS steps
          FROM SCHEMA.action_steps a WHERE a.user_id = owner AND a.key = action
          GROUP BY a.id) AS s
    WHERE EXISTS (SELECT FROM SCHEMA.idempotency_keys k
                  WHERE k.user_id = owner AND k.key = action
                    AND k.created_at > now() - interval '24 hours');
    IF NOT is_whole OR things IS NULL THEN
        RETURN;
    END IF;
    SELECT bool_and(present.version IS NOT NULL),
           (array_agg(s.id ORDER BY s.place) FILTER (WHERE present.version <> s.number))[1]
    INTO is_whole, other
    FROM unnest(things, numbers) WITH ORDINALITY AS s (id, number, place)
    LEFT JOIN SCHEMA.tasks t ON t.user_id = owner AND t.id = s.id
    LEFT JOIN SCHEMA.task_lists l ON l.user_id = owner AND l.id = s.id,
    LATERAL (SELECT coalesce(t.version, l.version)) AS present (version);
    IF NOT is_whole THEN
        RETURN;
    ELSIF other IS NOT NULL THEN
        RAISE 'it has changed since' USING ERRCODE = 'TD016', DETAIL = other;
    END IF;
    -- What tasks would be in, or below, must be there.
    SELECT named.id INTO other
    FROM SCHEMA.action_steps a,
    LATERAL (VALUES ((a.before ->> 'list_id')::bigint), ((a.before ->> 'parent_id')::bigint))
        AS named (id)
    WHERE a.user_id = owner AND a.key = action AND named.id IS NOT NULL
      AND NOT EXISTS (SELECT FROM SCHEMA.tasks t WHERE t.user_id = owner AND t.id = named.id)
      AND NOT EXISTS (SELECT FROM SCHEMA.task_lists l WHERE l.user_id = owner AND l.id = named.id)
    LIMIT 1;
    IF FOUND THEN
        RAISE 'what it was in is gone' USING ERRCODE = 'TD016', DETAIL = other;
    END IF;
    -- By arrays: few steps have what is looked for, and statistics do not know.
    UPDATE SCHEMA.tasks t SET has_subtasks = true
    WHERE t.user_id = owner AND t.parent_id IS NULL AND NOT t.has_subtasks
      AND t.id = ANY (ARRAY(
          SELECT (a.before ->> 'parent_id')::bigint FROM SCHEMA.action_steps a
          WHERE a.user_id = owner AND a.key = action AND a.before ->> 'parent_id' IS NOT NULL));
    -- They are spelled as on other tasks, and not as on each other.
    DELETE FROM SCHEMA.task_labels l
    WHERE l.user_id = owner AND l.task_id = ANY (ARRAY(
        SELECT a.id FROM SCHEMA.action_steps a
        WHERE a.user_id = owner AND a.key = action AND a.before ? 'labels'));
    -- Not set_config: that would not reach the node that the rows lie on.
    EXECUTE format('SET LOCAL app.undone TO %L', action);
    -- Triggers put the values back. They run for the columns that are named here.
    UPDATE SCHEMA.tasks t
    SET completed = t.completed, deleted_at = t.deleted_at, list_id = t.list_id
    WHERE t.user_id = owner AND t.id = ANY (things);
    UPDATE SCHEMA.task_lists l SET deleted_at = l.deleted_at
    WHERE l.user_id = owner AND l.id = ANY (things);
    SET LOCAL app.undone TO '';
    SELECT coalesce(t.parent_id, t.list_id) INTO other
    FROM SCHEMA.tasks t
    WHERE t.user_id = owner AND t.id = ANY (things)
      AND (t.list_id IS NOT NULL AND t.deleted_at IS NULL AND NOT EXISTS (
               SELECT FROM SCHEMA.task_lists l
               WHERE l.user_id = owner AND l.id = t.list_id AND l.deleted_at IS NULL)
           OR t.parent_id IS NOT NULL AND NOT EXISTS (
               SELECT FROM SCHEMA.tasks p
               WHERE p.user_id = owner AND p.id = t.parent_id
                 AND p.parent_id IS NULL AND p.list_id IS NOT DISTINCT FROM t.list_id
                 -- In the trash it may be below what is full or in the trash, too.
                 AND (t.deleted_at IS NOT NULL OR p.deleted_at IS NULL
                      AND (SELECT count(*) FROM SCHEMA.tasks c
                           WHERE c.user_id = owner AND c.parent_id = p.id
                             AND c.deleted_at IS NULL) <= 100)))
    LIMIT 1;
    IF FOUND THEN
        RAISE 'what it was in is gone, or full' USING ERRCODE = 'TD016', DETAIL = other;
    END IF;
    DELETE FROM SCHEMA.action_steps a WHERE a.user_id = owner AND a.key = action;
    -- For the action before this one, nothing has changed since: so the last ones can be taken back
    -- one after the other.
    UPDATE SCHEMA.action_steps a SET version = coalesce(t.version, l.version)
    FROM unnest(things, former) AS s (id, version)
    LEFT JOIN SCHEMA.tasks t ON t.user_id = owner AND t.id = s.id
    LEFT JOIN SCHEMA.task_lists l ON l.user_id = owner AND l.id = s.id
    WHERE a.user_id = owner AND a.version = s.version AND a.id = s.id;
    RETURN QUERY
    SELECT s.id, coalesce(t.version, l.version)
    FROM unnest(things) WITH ORDINALITY AS s (id, place)
    LEFT JOIN SCHEMA.tasks t ON t.user_id = owner AND t.id = s.id
    LEFT JOIN SCHEMA.task_lists l ON l.user_id = owner AND l.id = s.id
    ORDER BY s.place;
END $$;

-- As in 0015; besides, it notes what it does, and puts back what is undone. Times are those of the
-- node that the row lies on: row security there knows new rows by them, and what goes together has
-- the same.
CREATE OR REPLACE FUNCTION note_new_task() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    folded text := SCHEMA.fold(NEW.title);
    place bigint;
    number integer;
BEGIN
    IF current_setting('app.user_id', true) = NEW.user_id
            AND coalesce(current_setting('app.import', true), '') = '' THEN
        NEW.created_at := now();
        NEW.updated_at := now();
    END IF;
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
    IF NEW.repeats IS NOT NULL THEN
        NEW.repeats := SCHEMA.checked_rule(NEW.repeats, NEW.due_on, NEW.parent_id);
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
    IF current_setting('app.action', true) <> '' THEN
        PERFORM SCHEMA.note_step(NEW.user_id, NEW.id, NEW.version, NULL, NULL);
    END IF;
    RETURN NEW;
END $$;

-- The same.
CREATE OR REPLACE FUNCTION note_changed_task() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    folded text;
    growth integer := 0;
    list bigint;
    is_asked boolean;
    place bigint;
    was jsonb;
BEGIN
    IF current_setting('app.undone', true) <> '' THEN
        was := SCHEMA.what_was(NEW.user_id, NEW.id);
    END IF;
    IF was IS NOT NULL THEN
        -- It was so: nothing follows from it, and what it would break `undo_action` finds.
        NEW := jsonb_populate_record(NEW, was);
        IF NEW.parent_id IS NOT NULL AND NEW.has_subtasks THEN
            NEW.has_subtasks := EXISTS (
                SELECT FROM SCHEMA.tasks t WHERE t.user_id = NEW.user_id AND t.parent_id = NEW.id);
            IF NEW.has_subtasks THEN
                RAISE 'it has subtasks by now' USING ERRCODE = 'TD016', DETAIL = NEW.id;
            END IF;
        END IF;
    ELSE
        IF NEW.completed <> OLD.completed THEN
            NEW.completed_at := CASE WHEN NEW.completed THEN coalesce(NEW.completed_at, now()) END;
        ELSE
            NEW.completed_on := OLD.completed_on;
        END IF;
        IF NOT NEW.completed THEN
            NEW.completed_on := NULL;
        END IF;
        IF OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL
                AND current_setting('app.user_id', true) = NEW.user_id THEN
            NEW.deleted_at := now();
        END IF;
        IF NEW.deleted_at IS NULL AND (NEW.list_id IS NOT NULL OR NEW.parent_id IS NOT NULL)
                AND (OLD.deleted_at IS NOT NULL OR NEW.list_id IS DISTINCT FROM OLD.list_id
                     OR NEW.parent_id IS DISTINCT FROM OLD.parent_id) THEN
            IF OLD.deleted_at IS NOT NULL THEN
                -- Where its parent is gone or full it is at the top; where its list is, in the
                -- inbox.
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
                -- It is in its parent's list, and goes there where no list is asked for. Who asks
                -- for the list that it is in already says so.
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
    END IF;
    IF NEW.labels <> '{}' AND NEW.deleted_at IS NULL
            AND (NEW.labels <> OLD.labels OR OLD.deleted_at IS NOT NULL) THEN
        NEW.labels := SCHEMA.spelled(NEW.user_id, NEW.labels);
    END IF;
    IF NEW.labels <> OLD.labels OR NEW.labels <> '{}'
            AND (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL)
            -- `undo_action` has taken its rows away.
            OR was ? 'labels' THEN
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
    IF was IS NULL AND (NEW.repeats IS NOT NULL OR OLD.successor_id IS NOT NULL) THEN
        IF NEW.repeats IS DISTINCT FROM OLD.repeats AND NEW.repeats IS NOT NULL THEN
            NEW.repeats := SCHEMA.checked_rule(NEW.repeats, NEW.due_on, NEW.parent_id);
        ELSIF NEW.repeats IS NOT NULL AND NEW.parent_id IS NOT NULL THEN
            RAISE 'a recurring task has no parent' USING ERRCODE = 'TD001';
        ELSIF NEW.repeats IS NOT NULL AND NEW.due_on IS NULL THEN
            RAISE 'a recurring task needs a day' USING ERRCODE = 'TD013';
        END IF;
        IF NEW.completed AND NOT OLD.completed THEN
            IF NEW.repeats IS NOT NULL AND NEW.successor_id IS NULL AND NEW.deleted_at IS NULL THEN
                NEW.successor_id := SCHEMA.make_successor(NEW);
            END IF;
        ELSIF OLD.completed AND NOT NEW.completed AND NEW.successor_id IS NOT NULL THEN
            NEW.successor_id := SCHEMA.kept_successor(NEW);
        END IF;
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
                AND NEW.repeats IS NOT DISTINCT FROM OLD.repeats
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
    IF current_setting('app.action', true) <> '' THEN
        PERFORM SCHEMA.note_step(NEW.user_id, NEW.id, NEW.version, OLD.version,
                                 SCHEMA.overwritten_of_task(OLD, NEW));
    END IF;
    RETURN NEW;
END $$;

-- As in 0011. What is undone comes back row by row; what has come to it since goes along.
CREATE OR REPLACE FUNCTION take_subtasks_along() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    is_undone boolean := coalesce(current_setting('app.undone', true) <> '', false);
BEGIN
    IF NEW.list_id IS DISTINCT FROM OLD.list_id THEN
        UPDATE SCHEMA.tasks t SET list_id = NEW.list_id
        WHERE t.user_id = NEW.user_id AND t.parent_id = NEW.id;
    END IF;
    IF is_undone THEN
        NULL;
    ELSIF NEW.completed AND NOT OLD.completed THEN
        UPDATE SCHEMA.tasks t SET completed = true, completed_on = NEW.completed_on
        WHERE t.user_id = NEW.user_id AND t.parent_id = NEW.id AND NOT t.completed
          AND t.deleted_at IS NULL;
    ELSIF OLD.completed AND NOT NEW.completed THEN
        UPDATE SCHEMA.tasks t SET completed = false
        WHERE t.user_id = NEW.user_id AND t.parent_id = NEW.id AND t.completed
          AND t.completed_at = OLD.completed_at AND t.deleted_at IS NULL;
    END IF;
    IF OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL THEN
        UPDATE SCHEMA.tasks t SET deleted_at = NEW.deleted_at
        WHERE t.user_id = NEW.user_id AND t.parent_id = NEW.id AND t.deleted_at IS NULL;
    ELSIF OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL AND NOT is_undone THEN
        UPDATE SCHEMA.tasks t SET deleted_at = NULL
        WHERE t.user_id = NEW.user_id AND t.parent_id = NEW.id AND t.deleted_at = OLD.deleted_at;
    END IF;
    RETURN NULL;
END $$;

-- The same.
CREATE OR REPLACE FUNCTION take_members_along() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL THEN
        UPDATE SCHEMA.tasks t SET deleted_at = NEW.deleted_at
        WHERE t.user_id = NEW.user_id AND t.list_id = NEW.id AND t.parent_id IS NULL
          AND t.deleted_at IS NULL;
    ELSIF OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL
            AND coalesce(current_setting('app.undone', true), '') = '' THEN
        UPDATE SCHEMA.tasks t SET deleted_at = NULL
        WHERE t.user_id = NEW.user_id AND t.list_id = NEW.id AND t.parent_id IS NULL
          AND t.deleted_at = OLD.deleted_at;
    END IF;
    RETURN NULL;
END $$;

-- As in 0011, and as of a task.
CREATE OR REPLACE FUNCTION note_new_list() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    place bigint;
BEGIN
    IF (SELECT count(*) FROM SCHEMA.task_lists l
        WHERE l.user_id = NEW.user_id AND l.deleted_at IS NULL) >= 1000 THEN
        RAISE 'there are too many lists' USING ERRCODE = 'TD010';
    END IF;
    IF current_setting('app.user_id', true) = NEW.user_id
            AND coalesce(current_setting('app.import', true), '') = '' THEN
        NEW.created_at := now();
        NEW.updated_at := now();
    END IF;
    PERFORM SCHEMA.check_id(NEW.user_id, NEW.id);
    SELECT taken.id, taken.number, taken.place INTO NEW.id, NEW.version, place
    FROM SCHEMA.take_number(NEW.user_id, octet_length(NEW.name), NEW.id, NEW.version) AS taken;
    NEW.position := CASE WHEN current_setting('app.place', true) <> ''
        THEN SCHEMA.key_of_list(NEW.user_id, NULL)
        ELSE coalesce(NEW.position, SCHEMA.key_of_number(place)) END;
    IF current_setting('app.action', true) <> '' THEN
        PERFORM SCHEMA.note_step(NEW.user_id, NEW.id, NEW.version, NULL, NULL);
    END IF;
    RETURN NEW;
END $$;

-- The same.
CREATE OR REPLACE FUNCTION note_changed_list() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    growth integer;
    was jsonb;
BEGIN
    IF current_setting('app.undone', true) <> '' THEN
        was := SCHEMA.what_was(NEW.user_id, NEW.id);
        IF was IS NOT NULL THEN
            NEW := jsonb_populate_record(NEW, was);
        END IF;
    END IF;
    IF was IS NULL AND OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL
            AND current_setting('app.user_id', true) = NEW.user_id THEN
        NEW.deleted_at := now();
    END IF;
    growth := octet_length(NEW.name) - octet_length(OLD.name);
    IF NEW.position IS NULL THEN
        NEW.position := SCHEMA.key_of_list(NEW.user_id, NEW.id);
    END IF;
    IF NEW.name = OLD.name AND NEW.position = OLD.position
            AND NEW.deleted_at IS NOT DISTINCT FROM OLD.deleted_at THEN
        RETURN NEW;
    END IF;
    IF NEW.deleted_at IS NULL AND OLD.deleted_at IS NOT NULL AND (
            SELECT count(*) FROM SCHEMA.task_lists l
            WHERE l.user_id = NEW.user_id AND l.deleted_at IS NULL) >= 1000 THEN
        RAISE 'there are too many lists' USING ERRCODE = 'TD010';
    END IF;
    NEW.version := SCHEMA.take_next_number(NEW.user_id, growth);
    NEW.updated_at := now();
    IF current_setting('app.action', true) <> '' THEN
        PERFORM SCHEMA.note_step(NEW.user_id, NEW.id, NEW.version, OLD.version,
                                 SCHEMA.overwritten_of_list(OLD, NEW));
    END IF;
    RETURN NEW;
END $$;
