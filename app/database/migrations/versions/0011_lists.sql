
-- The key of what has taken a number of its owner's: above those of all smaller numbers.
CREATE FUNCTION key_of_number(number bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT lpad(to_hex(number), 14, '0') || 'V' $$;

-- A key between two keys of the order by hand, `low` may be empty: the least that comes before all.
-- Keys are digits of 0-9A-Za-z, in the order of bytes, read as a fraction; none ends in 0.
CREATE FUNCTION key_between(low text, high text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    digits constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    key text := '';
    n integer := 0;
    is_open boolean := false;
    l integer;
    h integer;
BEGIN
    LOOP
        n := n + 1;
        l := greatest(strpos(digits, substr(low, n, 1)) - 1, 0);
        IF substr(low, n, 1) = '' THEN
            l := 0;
        END IF;
        h := CASE WHEN is_open THEN 62
             WHEN substr(high, n, 1) = '' THEN 0
             ELSE strpos(digits, substr(high, n, 1)) - 1 END;
        IF h - l > 1 THEN
            RETURN key || substr(digits, (l + h) / 2 + 1, 1);
        END IF;
        key := key || substr(digits, l + 1, 1);
        -- From here on it is below `high`, and only has to be above what is left of `low`.
        is_open := is_open OR h - l = 1;
    END LOOP;
END $$;

-- A key a short step below `high`: what is moved to the top again and again needs few digits.
CREATE FUNCTION key_below(high text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    digits constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    last integer := strpos(digits, right(high, 1)) - 1;
BEGIN
    RETURN left(high, -1) || CASE WHEN last > 1 THEN substr(digits, last, 1) ELSE '0V' END;
END $$;

-- A key a short step above `low`, if that is below `high`.
CREATE FUNCTION key_above(low text, high text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    digits constant text := '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
    last integer := strpos(digits, right(low, 1)) - 1;
    key text COLLATE "C" := CASE WHEN last < 61 THEN left(low, -1) || substr(digits, last + 2, 1)
                            ELSE low || 'V' END;
BEGIN
    RETURN CASE WHEN key < high THEN key ELSE SCHEMA.key_between(low, high) END;
END $$;

-- So many keys between two, evenly.
CREATE FUNCTION keys_between(low text, high text, count integer) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    middle text;
BEGIN
    IF count < 1 THEN
        RETURN '{}';
    END IF;
    middle := SCHEMA.key_between(low, high);
    RETURN SCHEMA.keys_between(low, middle, (count - 1) / 2) || middle
           || SCHEMA.keys_between(middle, high, count - 1 - (count - 1) / 2);
END $$;

-- The things that stand beside a place, nearest first: `behind` it or before it. `siblings` has the
-- table and the condition on what stands in the same list, in parts that an index has in order; $1
-- is the owner, $2 the list or the parent.
CREATE FUNCTION neighbours(owner text, container bigint, siblings text[], behind boolean,
                           of_key text, of_id bigint, moved bigint, count integer)
RETURNS TABLE (id bigint, key text)
LANGUAGE plpgsql AS $$
DECLARE
    direction text := CASE WHEN behind THEN 'ASC' ELSE 'DESC' END;
    parts text;
BEGIN
    SELECT string_agg(format(
        '(SELECT id, position FROM %s AND deleted_at IS NULL AND id <> $5 AND (position, id) %s '
        '($3, $4) ORDER BY position %s, id %3$s LIMIT $6)',
        sibling, CASE WHEN behind THEN '>' ELSE '<' END, direction), ' UNION ALL ')
    INTO parts FROM unnest(siblings) AS sibling;
    RETURN QUERY EXECUTE format(
        'SELECT id, position FROM (%s) AS near ORDER BY position %s, id %2$s LIMIT $6',
        parts, direction)
        USING owner, container, of_key, of_id, coalesce(moved, 0), count;
END $$;

-- The key of the place that `app.place` names among the siblings: `first`, `last`, `before 5` or
-- `after 5`. Where no key of a bearable length is free there, siblings get new ones; their order
-- stays.
CREATE FUNCTION key_of_place(owner text, container bigint, siblings text[], kind text, moved bigint)
RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    place text[] := string_to_array(current_setting('app.place', true), ' ');
    bound text COLLATE "C" := (SELECT SCHEMA.key_of_number(c.last_id + 1)
                               FROM SCHEMA.task_counters c WHERE c.user_id = owner);
    at text;
    low text COLLATE "C";
    low_id bigint;
    high text COLLATE "C";
    key text;
    size integer := 16;
    before record;
    behind record;
    keys text[];
BEGIN
    IF place[1] IN ('before', 'after') THEN
        EXECUTE (SELECT string_agg(format(
                    'SELECT position FROM %s AND id = $3 AND id <> $4 AND deleted_at IS NULL', s),
                    ' UNION ALL ')
                 FROM unnest(siblings) AS s)
        INTO at USING owner, container, place[2]::bigint, coalesce(moved, 0);
        IF at IS NULL THEN
            RAISE 'there is no such place' USING ERRCODE = 'TD011';
        END IF;
    END IF;
    -- The place is behind what `low` is of, or before all, and before what `high` is of.
    IF place[1] = 'after' THEN
        low := at;
        low_id := place[2];
    ELSIF place[1] = 'first' THEN
        low := NULL;
    ELSE
        SELECT n.key, n.id INTO low, low_id FROM SCHEMA.neighbours(
            owner, container, siblings, false, coalesce(at, bound), coalesce(place[2]::bigint, 0),
            moved, 1) AS n;
    END IF;
    SELECT n.key INTO high FROM SCHEMA.neighbours(
        owner, container, siblings, true, coalesce(low, ''), coalesce(low_id, 0), moved, 1) AS n;
    key := CASE WHEN high IS NULL THEN SCHEMA.key_above(coalesce(low, '0V'), bound)
                WHEN low IS NULL THEN SCHEMA.key_below(high)
                WHEN low < high THEN SCHEMA.key_between(low, high) END;
    WHILE key IS NULL OR length(key) > 64 LOOP
        -- New keys for so many on each side, evenly between the next two, which keep theirs.
        SELECT array_agg(n.id ORDER BY n.place DESC) FILTER (WHERE n.place <= size) AS ids,
               max(n.key) FILTER (WHERE n.place > size) AS key
        INTO before FROM SCHEMA.neighbours(
            owner, container, siblings, false, coalesce(low, ''), coalesce(low_id + 1, 0), moved,
            size + 1) WITH ORDINALITY AS n (id, key, place);
        SELECT array_agg(n.id ORDER BY n.place) FILTER (WHERE n.place <= size) AS ids,
               max(n.key) FILTER (WHERE n.place > size) AS key
        INTO behind FROM SCHEMA.neighbours(
            owner, container, siblings, true, coalesce(low, ''), coalesce(low_id, 0), moved,
            size + 1) WITH ORDINALITY AS n (id, key, place);
        size := size * 2;
        CONTINUE WHEN before.key >= behind.key COLLATE "C";
        keys := SCHEMA.keys_between(
            coalesce(before.key, ''), coalesce(behind.key, bound),
            coalesce(cardinality(before.ids), 0) + 1 + coalesce(cardinality(behind.ids), 0));
        CONTINUE WHEN (SELECT max(length(k)) > 24 FROM unnest(keys) AS k)
            AND (before.key IS NOT NULL OR behind.key IS NOT NULL);
        EXECUTE format(
            'UPDATE SCHEMA.%I AS t SET position = n.key '
            'FROM unnest($2::bigint[], $3::text[]) AS n (id, key) '
            'WHERE t.user_id = $1 AND t.id = n.id AND n.id IS NOT NULL', kind)
        USING owner, before.ids || NULL::bigint || behind.ids, keys;
        key := keys[coalesce(cardinality(before.ids), 0) + 1];
    END LOOP;
    RETURN key;
END $$;

-- The key of a task's place in its list, in the inbox, or below its parent.
CREATE FUNCTION key_of_task(owner text, list bigint, parent bigint, moved bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    siblings text := 'SCHEMA.tasks WHERE user_id = $1 AND ' || CASE
        WHEN parent IS NOT NULL THEN 'parent_id = $2'
        WHEN list IS NOT NULL THEN 'list_id = $2 AND parent_id IS NULL'
        ELSE 'list_id IS NULL AND parent_id IS NULL AND $2::bigint IS NULL' END;
BEGIN
    RETURN SCHEMA.key_of_place(
        owner, coalesce(parent, list),
        CASE WHEN parent IS NOT NULL THEN ARRAY[siblings]
        ELSE ARRAY[siblings || ' AND NOT completed', siblings || ' AND completed'] END,
        'tasks', moved);
END $$;

-- The key of a list's place among the lists.
CREATE FUNCTION key_of_list(owner text, moved bigint) RETURNS text
LANGUAGE sql AS $$
    SELECT SCHEMA.key_of_place(
        owner, NULL, ARRAY['SCHEMA.task_lists WHERE user_id = $1 AND $2::bigint IS NULL'],
        'task_lists', moved)
$$;

-- The list of a task that is given one, or a parent: both must be there, and out of the trash. Of
-- several new tasks the detail of an error tells which one it was, by the id of the parent given.
CREATE FUNCTION checked_list(owner text, task bigint, list bigint, parent bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    found_list bigint;
BEGIN
    IF parent IS NULL THEN
        IF list IS NOT NULL AND NOT EXISTS (
                SELECT FROM SCHEMA.task_lists l
                WHERE l.user_id = owner AND l.id = list AND l.deleted_at IS NULL) THEN
            RAISE 'there is no such list' USING ERRCODE = 'TD002';
        END IF;
        RETURN list;
    END IF;
    SELECT t.list_id INTO found_list FROM SCHEMA.tasks t
    WHERE t.user_id = owner AND t.id = parent AND t.parent_id IS NULL AND t.deleted_at IS NULL
      AND t.id IS DISTINCT FROM task;
    IF NOT FOUND THEN
        RAISE 'there is no such parent' USING ERRCODE = 'TD001', DETAIL = parent;
    ELSIF list <> found_list OR list IS NOT NULL AND found_list IS NULL THEN
        RAISE 'a subtask is in the list of its parent'
            USING ERRCODE = 'TD008', DETAIL = parent;
    ELSIF (SELECT count(*) FROM SCHEMA.tasks t
           WHERE t.user_id = owner AND t.parent_id = parent AND t.deleted_at IS NULL
             AND t.id IS DISTINCT FROM task) >= 100 THEN
        RAISE 'a task has too many subtasks' USING ERRCODE = 'TD009', DETAIL = parent;
    END IF;
    UPDATE SCHEMA.tasks t SET has_subtasks = true
    WHERE t.user_id = owner AND t.id = parent AND NOT t.has_subtasks;
    RETURN found_list;
END $$;

-- What follows for the subtasks of a task that was completed, reopened, moved into the trash or out
-- of it, or into another list. What happened together bears the same instant.
CREATE FUNCTION take_subtasks_along() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.list_id IS DISTINCT FROM OLD.list_id THEN
        UPDATE SCHEMA.tasks t SET list_id = NEW.list_id
        WHERE t.user_id = NEW.user_id AND t.parent_id = NEW.id;
    END IF;
    IF NEW.completed AND NOT OLD.completed THEN
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
    ELSIF OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL THEN
        UPDATE SCHEMA.tasks t SET deleted_at = NULL
        WHERE t.user_id = NEW.user_id AND t.parent_id = NEW.id AND t.deleted_at = OLD.deleted_at;
    END IF;
    RETURN NULL;
END $$;

-- What follows from a new list. It counts as a task for the quota.
CREATE FUNCTION note_new_list() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    place bigint;
BEGIN
    IF (SELECT count(*) FROM SCHEMA.task_lists l
        WHERE l.user_id = NEW.user_id AND l.deleted_at IS NULL) >= 1000 THEN
        RAISE 'there are too many lists' USING ERRCODE = 'TD010';
    END IF;
    PERFORM SCHEMA.check_id(NEW.user_id, NEW.id);
    SELECT taken.id, taken.number, taken.place INTO NEW.id, NEW.version, place
    FROM SCHEMA.take_number(NEW.user_id, octet_length(NEW.name), NEW.id, NEW.version) AS taken;
    NEW.position := CASE WHEN current_setting('app.place', true) <> ''
        THEN SCHEMA.key_of_list(NEW.user_id, NULL)
        ELSE coalesce(NEW.position, SCHEMA.key_of_number(place)) END;
    RETURN NEW;
END $$;

-- What follows from a change of a list, as of a task.
CREATE FUNCTION note_changed_list() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    growth integer := octet_length(NEW.name) - octet_length(OLD.name);
BEGIN
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
    RETURN NEW;
END $$;

-- What follows for the tasks of a list that goes into the trash or comes back; their subtasks follow
-- them.
CREATE FUNCTION take_members_along() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL THEN
        UPDATE SCHEMA.tasks t SET deleted_at = NEW.deleted_at
        WHERE t.user_id = NEW.user_id AND t.list_id = NEW.id AND t.parent_id IS NULL
          AND t.deleted_at IS NULL;
    ELSIF OLD.deleted_at IS NOT NULL AND NEW.deleted_at IS NULL THEN
        UPDATE SCHEMA.tasks t SET deleted_at = NULL
        WHERE t.user_id = NEW.user_id AND t.list_id = NEW.id AND t.parent_id IS NULL
          AND t.deleted_at = OLD.deleted_at;
    END IF;
    RETURN NULL;
END $$;

-- It acts as whoever migrates: the server's role cannot write what is gone.
CREATE FUNCTION note_what_lists_are_gone() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, SCHEMA, pg_temp AS $$
BEGIN
    UPDATE task_counters c
    SET version = CASE WHEN g.unseen THEN c.version + 1 ELSE c.version END,
        purged_version = CASE WHEN g.unseen THEN c.version + 1
                         ELSE greatest(c.purged_version, g.version) END,
        tasks = c.tasks - g.lists,
        bytes = c.bytes - g.bytes
    FROM (SELECT user_id, max(version) AS version, bool_or(deleted_at IS NULL) AS unseen,
                 count(*) AS lists, sum(octet_length(name)) AS bytes
          FROM gone GROUP BY user_id) AS g
    WHERE c.user_id = g.user_id;
    RETURN NULL;
END $$;
