
-- How many tasks an owner has outside the trash, and how many of them are completed, counted.
CREATE FUNCTION live_tasks_of(owner text, OUT live bigint, OUT completed bigint)
LANGUAGE sql STABLE AS $$
    SELECT count(*), count(*) FILTER (WHERE t.completed)
    FROM SCHEMA.tasks t WHERE t.user_id = owner AND t.deleted_at IS NULL
$$;

-- The successor of a task that is being completed or reopened: that which it makes, or keeps.
CREATE FUNCTION successor_of(changed record) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT changed.completed THEN
        RETURN CASE WHEN changed.successor_id IS NOT NULL
               THEN SCHEMA.kept_successor(changed) END;
    ELSIF changed.repeats IS NOT NULL AND changed.successor_id IS NULL
            AND changed.deleted_at IS NULL THEN
        RETURN SCHEMA.make_successor(changed);
    END IF;
    RETURN changed.successor_id;
END $$;

-- As in 0016. The owner's counter is written here, once, for all that a new task counts in.
CREATE OR REPLACE FUNCTION note_new_task() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    folded text := SCHEMA.fold(NEW.title);
    quota text := current_setting('app.quota', true);
    adds_live integer := (NEW.deleted_at IS NULL)::integer;
    adds_completed integer := (NEW.completed AND NEW.deleted_at IS NULL)::integer;
    length integer;
    fresh bigint;
    place bigint;
    number integer;
    things bigint;
    size bigint;
    all_live bigint;
    all_completed bigint;
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
    -- As `take_number` does for a list.
    length := SCHEMA.length_of(NEW.title, NEW.description, NEW.labels);
    fresh := coalesce(NEW.id, (floor(extract(epoch FROM clock_timestamp()))::bigint << 21)
                              + floor(random() * 2097152)::bigint);
    LOOP
        UPDATE SCHEMA.task_counters c
        SET version = greatest(c.version + CASE WHEN NEW.version IS NULL THEN 1 ELSE 0 END,
                               NEW.version),
            last_id = greatest(c.last_id + 1, fresh), tasks = c.tasks + 1, bytes = c.bytes + length,
            live_tasks = c.live_tasks + adds_live,
            completed_tasks = c.completed_tasks + adds_completed
        WHERE c.user_id = NEW.user_id
        RETURNING c.version, c.last_id, c.tasks, c.bytes, c.live_tasks
        INTO number, place, things, size, all_live;
        EXIT WHEN FOUND;
        -- The first thing of its owner's.
        INSERT INTO SCHEMA.task_counters
            (user_id, version, last_id, tasks, bytes, live_tasks, completed_tasks)
        VALUES (NEW.user_id, 0, 3308963600793600, 0, 0, 0, 0) ON CONFLICT DO NOTHING;
    END LOOP;
    IF things IS NULL OR size IS NULL OR all_live IS NULL THEN
        -- Nobody has counted what the owner has.
        SELECT s.things + 1, s.bytes + length INTO things, size
        FROM SCHEMA.stored_by(NEW.user_id) AS s;
        SELECT l.live + adds_live, l.completed + adds_completed INTO all_live, all_completed
        FROM SCHEMA.live_tasks_of(NEW.user_id) AS l;
        UPDATE SCHEMA.task_counters c
        SET tasks = things, bytes = size, live_tasks = all_live, completed_tasks = all_completed
        WHERE c.user_id = NEW.user_id;
    END IF;
    IF quota <> '' AND (things > split_part(quota, ' ', 1)::bigint
                        OR size > split_part(quota, ' ', 2)::bigint) THEN
        RAISE 'the quota has no room' USING ERRCODE = 'TD005';
    END IF;
    NEW.id := coalesce(NEW.id, place);
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

-- What follows from a change that names `completed` and `completed_on` alone: those are most, and in
-- each transaction PostgreSQL makes an expression ready anew, which takes longer than what it says.
-- `b_note_changed_task` comes before it where anything else is named, and has then seen to all.
CREATE FUNCTION note_completed_task() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := now();
BEGIN
    IF NEW.version <> OLD.version THEN
        RETURN NEW;
    ELSIF NEW.completed = OLD.completed THEN
        NEW.completed_on := OLD.completed_on;
        RETURN NEW;
    END IF;
    IF NEW.repeats IS NOT NULL OR NEW.successor_id IS NOT NULL THEN
        NEW.successor_id := SCHEMA.successor_of(NEW);
    END IF;
    UPDATE SCHEMA.task_counters c
    SET version = c.version + 1,
        completed_tasks = c.completed_tasks + CASE WHEN NEW.deleted_at IS NOT NULL THEN 0
                                              WHEN NEW.completed THEN 1 ELSE -1 END
    WHERE c.user_id = NEW.user_id
    RETURNING c.version, moment, CASE WHEN NEW.completed THEN moment END,
              CASE WHEN NEW.completed THEN NEW.completed_on END
    INTO NEW.version, NEW.updated_at, NEW.completed_at, NEW.completed_on;
    IF current_setting('app.action', true) <> '' THEN
        PERFORM SCHEMA.note_step(NEW.user_id, NEW.id, NEW.version, OLD.version,
                                 SCHEMA.overwritten_of_task(OLD, NEW));
    END IF;
    RETURN NEW;
END $$;

-- As in 0016. Besides, what is outside the trash is counted.
CREATE OR REPLACE FUNCTION note_changed_task() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    folded text;
    growth integer := 0;
    list bigint;
    is_asked boolean;
    place bigint;
    was jsonb;
    is_counted boolean;
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
        IF NEW.completed <> OLD.completed THEN
            NEW.successor_id := SCHEMA.successor_of(NEW);
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
            UPDATE SCHEMA.task_counters c
            SET version = c.version + 1,
                live_tasks = c.live_tasks + (NEW.deleted_at IS NULL)::integer
                             - (OLD.deleted_at IS NULL)::integer,
                completed_tasks = c.completed_tasks
                                  + (NEW.completed AND NEW.deleted_at IS NULL)::integer
                                  - (OLD.completed AND OLD.deleted_at IS NULL)::integer
            WHERE c.user_id = NEW.user_id RETURNING c.version INTO NEW.version;
        END IF;
        IF NEW.updated_at = OLD.updated_at THEN
            NEW.updated_at := now();
        END IF;
        is_counted := growth = 0;
    ELSIF growth <> 0 THEN
        UPDATE SCHEMA.task_counters c SET bytes = c.bytes + growth WHERE c.user_id = NEW.user_id;
    END IF;
    IF is_counted IS NOT TRUE AND (NEW.completed <> OLD.completed
                           OR (NEW.deleted_at IS NULL) <> (OLD.deleted_at IS NULL)) THEN
        UPDATE SCHEMA.task_counters c
        SET live_tasks = c.live_tasks + (NEW.deleted_at IS NULL)::integer
                         - (OLD.deleted_at IS NULL)::integer,
            completed_tasks = c.completed_tasks
                              + (NEW.completed AND NEW.deleted_at IS NULL)::integer
                              - (OLD.completed AND OLD.deleted_at IS NULL)::integer
        WHERE c.user_id = NEW.user_id;
    END IF;
    IF current_setting('app.action', true) <> '' THEN
        PERFORM SCHEMA.note_step(NEW.user_id, NEW.id, NEW.version, OLD.version,
                                 SCHEMA.overwritten_of_task(OLD, NEW));
    END IF;
    RETURN NEW;
END $$;

-- As in 0020. Besides, what was outside the trash is counted no more.
CREATE OR REPLACE FUNCTION note_what_is_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
DECLARE
    owners record;
BEGIN
    -- Who saw a task in the trash knows; a task that never was there leaves no trace, so its going
    -- takes a number of its own. Owner by owner: one statement for several would ask other nodes.
    FOR owners IN
        SELECT user_id, max(version) AS version, bool_or(deleted_at IS NULL) AS unseen,
               count(*) AS tasks, sum(length_of(title, description, labels)) AS bytes,
               count(*) FILTER (WHERE deleted_at IS NULL) AS live,
               count(*) FILTER (WHERE deleted_at IS NULL AND completed) AS completed
        FROM gone GROUP BY user_id ORDER BY user_id
    LOOP
        UPDATE task_counters c
        SET version = CASE WHEN owners.unseen THEN c.version + 1 ELSE c.version END,
            purged_version = CASE WHEN owners.unseen THEN c.version + 1
                             ELSE greatest(c.purged_version, owners.version) END,
            tasks = c.tasks - owners.tasks,
            bytes = c.bytes - owners.bytes,
            live_tasks = c.live_tasks - owners.live,
            completed_tasks = c.completed_tasks - owners.completed
        WHERE c.user_id = owners.user_id;
    END LOOP;
    RETURN NULL;
END $$;

-- As in 0009: `words_in_unicode` is its function. ASCII in which nothing joins words needs no query,
-- and a query takes longer than all else that is done for a title.
CREATE OR REPLACE FUNCTION words_in(owner text, folded text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    mark text;
BEGIN
    IF octet_length(folded) > 400 OR octet_length(folded) <> char_length(folded)
            OR folded ~ '[+#]|[0-9a-z][''.,-]+[0-9a-z]' THEN
        RETURN SCHEMA.words_in_unicode(owner, folded);
    END IF;
    mark := left(encode(sha256(convert_to(owner, 'UTF8')), 'hex'), 12);
    RETURN array_remove(
        string_to_array(mark || regexp_replace(folded, '[^0-9a-z]+', ' ' || mark, 'g'), ' '), mark);
END $$;
