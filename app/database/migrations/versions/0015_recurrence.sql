
-- The day that a rule has in a month, which is given by its first day: the n-th of the weekdays, or a
-- day of the month, and where the month is shorter its last.
CREATE FUNCTION day_in_month(rule jsonb, month date) RETURNS date
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    ordinal integer := rule ->> 'ordinal';
    last date := month + interval '1 month' - interval '1 day';
    days date[];
BEGIN
    IF ordinal IS NULL THEN
        RETURN least(month + coalesce((rule ->> 'monthDay')::integer,
                                      extract(day FROM (rule ->> 'start')::date)::integer) - 1,
                     last);
    END IF;
    days := ARRAY(SELECT month + n FROM generate_series(0, last - month) AS n
                  WHERE rule -> 'weekdays' @> to_jsonb(extract(isodow FROM month + n)::integer)
                  ORDER BY n);
    RETURN days[CASE WHEN ordinal < 0 THEN cardinality(days) + 1 + ordinal ELSE ordinal END];
END $$;

-- The first day of a series that is after another and not before the series' first, whatever ends
-- the series. Weeks begin on Mondays.
CREATE FUNCTION next_in_series(rule jsonb, after date) RETURNS date
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    unit text := rule ->> 'unit';
    every integer := rule ->> 'every';
    start date := rule ->> 'start';
    base date := greatest(after, start - 1);
    -- What the steps are counted from, and how many have been taken at `base`.
    origin date;
    taken integer;
    day date;
BEGIN
    IF unit = 'DAY' THEN
        RETURN start + (floor((base - start)::numeric / every)::integer + 1) * every;
    ELSIF unit = 'WEEK' THEN
        origin := start - (extract(isodow FROM start)::integer - 1);
        taken := (base - origin) / (7 * every);
        FOR step IN taken .. taken + 1 LOOP
            SELECT min(origin + step * 7 * every + weekday::integer - 1) INTO day
            FROM jsonb_array_elements_text(coalesce(
                rule -> 'weekdays', jsonb_build_array(extract(isodow FROM start)::integer)))
                AS weekday
            WHERE origin + step * 7 * every + weekday::integer - 1 > base;
            EXIT WHEN day IS NOT NULL;
        END LOOP;
        RETURN day;
    ELSIF unit = 'YEAR' THEN
        every := every * 12;
        origin := make_date(extract(year FROM start)::integer,
                            coalesce((rule ->> 'month')::integer,
                                     extract(month FROM start)::integer), 1);
    ELSE
        origin := date_trunc('month', start::timestamp);
    END IF;
    taken := ((extract(year FROM base) - extract(year FROM origin)) * 12
              + extract(month FROM base) - extract(month FROM origin))::integer / every;
    FOR step IN greatest(taken, 0) .. greatest(taken, 0) + 1 LOOP
        day := SCHEMA.day_in_month(rule, (origin + make_interval(months => step * every))::date);
        EXIT WHEN day > base;
    END LOOP;
    RETURN day;
END $$;

-- The day on which a task is due again: after the later of the day it was due and the day it was
-- done, or so long after it was done. `done` is null where nobody said it: then that was when it was
-- due. Null: never again.
CREATE FUNCTION next_due(rule jsonb, due date, done date) RETURNS date
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    every integer := rule ->> 'every';
    unit text := rule ->> 'unit';
    day date;
BEGIN
    IF (rule ->> 'remaining')::integer <= 1 THEN
        RETURN NULL;
    ELSIF rule ->> 'from' = 'DUE' THEN
        day := SCHEMA.next_in_series(rule, greatest(due, done));
    ELSE
        day := coalesce(done, due);
        IF unit = 'DAY' OR unit = 'WEEK' THEN
            day := day + every * CASE unit WHEN 'WEEK' THEN 7 ELSE 1 END;
        ELSIF unit = 'MONTH' THEN
            day := SCHEMA.day_in_month(
                rule,
                (date_trunc('month', day::timestamp) + make_interval(months => every))::date);
        ELSE
            day := SCHEMA.day_in_month(
                rule,
                make_date(extract(year FROM day)::integer + every,
                          coalesce((rule ->> 'month')::integer,
                                   extract(month FROM (rule ->> 'start')::date)::integer), 1));
        END IF;
    END IF;
    RETURN CASE WHEN day <= least((rule ->> 'until')::date, '9999-12-31') THEN day END;
END $$;

-- The rule of the task that comes next.
CREATE FUNCTION next_rule(rule jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN rule ? 'remaining'
           THEN rule || jsonb_build_object('remaining', (rule ->> 'remaining')::integer - 1)
           ELSE rule END
$$;

-- The days that come after another, so many of them at most, each done when it is due.
CREATE FUNCTION next_days(rule jsonb, after date, count integer) RETURNS SETOF date
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    FOR n IN 1 .. count LOOP
        after := SCHEMA.next_due(rule, after, after);
        EXIT WHEN after IS NULL;
        RETURN NEXT after;
        rule := SCHEMA.next_rule(rule);
    END LOOP;
END $$;

-- A rule that a task is given. A rule that has no first day begins on the day of the task.
CREATE FUNCTION checked_rule(rule jsonb, due date, parent bigint) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF due IS NULL THEN
        RAISE 'a recurring task needs a day' USING ERRCODE = 'TD013';
    ELSIF parent IS NOT NULL THEN
        RAISE 'a subtask does not recur' USING ERRCODE = 'TD014';
    ELSIF (rule ->> 'until')::date < due THEN
        RAISE 'a rule ends before it begins' USING ERRCODE = 'TD015';
    END IF;
    RETURN jsonb_build_object('start', due) || rule;
END $$;

-- Makes the task that follows a recurring one that is being completed, with its subtasks: those are
-- moved by as many days. Returns its id; null where none follows.
CREATE FUNCTION make_successor(done record) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    day date := SCHEMA.next_due(done.repeats, done.due_on, done.completed_on);
    made bigint;
BEGIN
    IF day IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO SCHEMA.tasks AS t (user_id, title, description, list_id, position, due_on, due_time,
                                   priority, labels, repeats)
    VALUES (done.user_id, done.title, done.description, done.list_id, done.position, day,
            done.due_time, done.priority, done.labels, SCHEMA.next_rule(done.repeats))
    RETURNING t.id INTO made;
    IF done.has_subtasks THEN
        INSERT INTO SCHEMA.tasks (user_id, title, description, parent_id, position, due_on,
                                  due_time, priority, labels)
        SELECT t.user_id, t.title, t.description, made, t.position,
               -- There are no days before and after these.
               CASE WHEN t.due_on IS NOT NULL THEN greatest('0001-01-01', least(
                   '9999-12-31', t.due_on + (day - done.due_on))) END,
               t.due_time, t.priority, t.labels
        FROM SCHEMA.tasks t
        WHERE t.user_id = done.user_id AND t.parent_id = done.id AND t.deleted_at IS NULL
        ORDER BY t.position, t.id;
    END IF;
    RETURN made;
END $$;

-- The successor that a task keeps when it is reopened. One that nobody has touched goes into the
-- trash, with its subtasks, and one that is there or gone is none any more: so the task has another
-- once it is completed again. What the same statement changes too, it does not move: be it the
-- successor, or a subtask of that, as the task itself may be by now.
CREATE FUNCTION kept_successor(reopened record) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    owner text := reopened.user_id;
    successor bigint := reopened.successor_id;
BEGIN
    IF NOT SCHEMA.changes_too(successor) AND NOT EXISTS (
            SELECT FROM SCHEMA.tasks t
            WHERE t.user_id = owner AND t.parent_id = successor
              AND (t.id = reopened.id OR SCHEMA.changes_too(t.id))) THEN
        UPDATE SCHEMA.tasks t SET deleted_at = now()
        WHERE t.user_id = owner AND t.id = successor AND t.deleted_at IS NULL
          AND NOT t.completed AND t.updated_at = t.created_at
          -- Subtasks that were made with it, and are as they were, go along.
          AND NOT EXISTS (
              SELECT FROM SCHEMA.tasks c
              WHERE c.user_id = owner AND c.parent_id = t.id AND c.deleted_at IS NULL
                AND c.updated_at <> t.created_at);
    END IF;
    RETURN (SELECT t.id FROM SCHEMA.tasks t
            WHERE t.user_id = owner AND t.id = successor AND t.deleted_at IS NULL);
END $$;

-- As in 0011, without what 0014 took away; besides, of a rule.
CREATE OR REPLACE FUNCTION note_new_task() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    folded text := SCHEMA.fold(NEW.title);
    place bigint;
    number integer;
BEGIN
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
    IF NEW.repeats IS NOT NULL OR OLD.successor_id IS NOT NULL THEN
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
    RETURN NEW;
END $$;
