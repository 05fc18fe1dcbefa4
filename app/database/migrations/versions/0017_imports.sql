
-- As in 0011. Besides, where `app.import` is 'trash', what is in the trash comes to a list or a
-- parent that is there, too.
CREATE OR REPLACE FUNCTION checked_list(owner text, task bigint, list bigint, parent bigint)
RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    found_list bigint;
    is_trash boolean := coalesce(current_setting('app.import', true) = 'trash', false);
BEGIN
    IF parent IS NULL THEN
        IF list IS NOT NULL AND NOT EXISTS (
                SELECT FROM SCHEMA.task_lists l
                WHERE l.user_id = owner AND l.id = list
                  AND (l.deleted_at IS NULL OR is_trash)) THEN
            RAISE 'there is no such list' USING ERRCODE = 'TD002';
        END IF;
        RETURN list;
    END IF;
    SELECT t.list_id INTO found_list FROM SCHEMA.tasks t
    WHERE t.user_id = owner AND t.id = parent AND t.parent_id IS NULL
      AND (t.deleted_at IS NULL OR is_trash) AND t.id IS DISTINCT FROM task;
    IF NOT FOUND THEN
        RAISE 'there is no such parent' USING ERRCODE = 'TD001', DETAIL = parent;
    ELSIF list <> found_list OR list IS NOT NULL AND found_list IS NULL THEN
        RAISE 'a subtask is in the list of its parent'
            USING ERRCODE = 'TD008', DETAIL = parent;
    ELSIF NOT is_trash
            AND (SELECT count(*) FROM SCHEMA.tasks t
                 WHERE t.user_id = owner AND t.parent_id = parent AND t.deleted_at IS NULL
                   AND t.id IS DISTINCT FROM task) >= 100 THEN
        RAISE 'a task has too many subtasks' USING ERRCODE = 'TD009', DETAIL = parent;
    END IF;
    UPDATE SCHEMA.tasks t SET has_subtasks = true
    WHERE t.user_id = owner AND t.id = parent AND NOT t.has_subtasks;
    RETURN found_list;
END $$;

-- As in 0015. What is imported may have been put off beyond the end of its rule: then it is the last
-- one.
CREATE OR REPLACE FUNCTION checked_rule(rule jsonb, due date, parent bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    IF due IS NULL THEN
        RAISE 'a recurring task needs a day' USING ERRCODE = 'TD013';
    ELSIF parent IS NOT NULL THEN
        RAISE 'a subtask does not recur' USING ERRCODE = 'TD014';
    ELSIF (rule ->> 'until')::date < due
            AND coalesce(current_setting('app.import', true), '') = '' THEN
        RAISE 'a rule ends before it begins' USING ERRCODE = 'TD015';
    END IF;
    RETURN jsonb_build_object('start', due) || rule;
END $$;
