"""What keeps users' rows apart in PostgreSQL, as the migrations make it."""

from app.database.urls import SERVER_ROLE

REVISION = "0021"
"""The migration after which the database is as `EXPECTED` says: the newest that is no last step."""

ROW_SECURITY = "row security"

Key = tuple[str, str]
"""A table and what is looked at in it; an empty table for what belongs to none."""

_OWNER = "current_setting('app.user_id'::text, true)"
_IS_OWN = f"(user_id = {_OWNER})"
_OWN_ROWS = f"permissive all to {SERVER_ROLE} using {_IS_OWN} with check {_IS_OWN}"
_OTHERS = f"(NOT pg_has_role('{SERVER_ROLE}'::name, 'USAGE'::text))"
_AS_OWNER = "as its owner"
_SEARCH_PATH = "search_path=pg_catalog, SCHEMA, pg_temp"
_OLD_ROWS = "permissive all to the functions' owner using ({} < (now() - '1 day'::interval))"


_OF_ONE_USER = f"permissive all to the functions' owner using {_IS_OWN}"


_IMPORT = "(current_setting('app.import'::text, true) <> ''::text)"


def _policies_of_owner(table: str, of_now: str) -> dict[Key, str]:
    """Return the policies of a table from which nothing is removed that is not in the trash.

    `of_now`: what new rows are, but for those of an import.
    """
    return {
        (table, f"policy {table}_owner"): f"permissive select to {SERVER_ROLE} using {_IS_OWN}",
        (table, f"policy {table}_owner_insert"): (
            f"permissive insert to {SERVER_ROLE} with check ({_IS_OWN} AND ({of_now} OR {_IMPORT}))"
        ),
        (table, f"policy {table}_owner_update"): (
            f"permissive update to {SERVER_ROLE} using {_IS_OWN} with check {_IS_OWN}"
        ),
        (table, f"policy {table}_owner_delete"): (
            f"permissive delete to {SERVER_ROLE} using ({_IS_OWN} AND (deleted_at IS NOT NULL))"
        ),
    }


EXPECTED: dict[Key, str] = {
    ("users", ROW_SECURITY): "enabled",
    ("users", "policy users_others"): (
        f"permissive all to public using {_OTHERS} with check {_OTHERS}"
    ),
    ("users", "policy users_owner"): (
        f"permissive all to {SERVER_ROLE} using (id = {_OWNER}) with check (id = {_OWNER})"
    ),
    ("users", "trigger refuse_deleted_user"): (
        "enabled CREATE TRIGGER refuse_deleted_user BEFORE INSERT ON users "
        "FOR EACH ROW EXECUTE FUNCTION refuse_deleted_user()"
    ),
    ("users", "right to select"): "claims_at, created_at, email, id, name",
    ("users", "right to insert"): (
        "claims_at, created_at, email, email_verified, id, name, updated_at"
    ),
    ("tasks", ROW_SECURITY): "enabled, forced",
    **_policies_of_owner(
        "tasks",
        "((created_at = now()) AND (updated_at = now()) AND (deleted_at IS NULL) AND "
        "(successor_id IS NULL) AND ((completed_at IS NULL) OR (completed_at = now())))",
    ),
    ("tasks", "policy tasks_maintenance"): _OLD_ROWS.format("deleted_at"),
    ("tasks", "policy tasks_of_one_user"): _OF_ONE_USER,
    ("tasks", "policy tasks_search"): "permissive select to the functions' owner using true",
    ("tasks", "right to select"): "every column",
    ("tasks", "right to insert"): (
        "completed, completed_at, completed_on, created_at, deleted_at, description, due_on, "
        "due_time, id, labels, list_id, parent_id, position, priority, repeats, successor_id, "
        "title, updated_at, user_id"
    ),
    ("tasks", "right to update"): (
        "completed, completed_on, deleted_at, description, due_on, due_time, has_subtasks, labels, "
        "list_id, parent_id, position, priority, repeats, title"
    ),
    ("tasks", "right to delete"): "rows",
    ("tasks", "trigger a_lock_owner"): (
        "enabled CREATE TRIGGER a_lock_owner BEFORE INSERT OR DELETE OR UPDATE ON tasks "
        "FOR EACH STATEMENT EXECUTE FUNCTION lock_owner()"
    ),
    ("tasks", "trigger b_note_changed_task"): (
        "enabled CREATE TRIGGER b_note_changed_task BEFORE UPDATE OF id, user_id, title, "
        "description, created_at, updated_at, version, completed_at, deleted_at, words, "
        'title_order, list_id, parent_id, "position", has_subtasks, due_on, due_time, due_at, '
        "priority, labels, repeats, successor_id ON tasks "
        "FOR EACH ROW EXECUTE FUNCTION note_changed_task()"
    ),
    ("tasks", "trigger b_note_completed_task"): (
        "enabled CREATE TRIGGER b_note_completed_task BEFORE UPDATE OF completed, completed_on "
        "ON tasks FOR EACH ROW EXECUTE FUNCTION note_completed_task()"
    ),
    ("tasks", "trigger b_note_new_task"): (
        "enabled CREATE TRIGGER b_note_new_task BEFORE INSERT ON tasks "
        "FOR EACH ROW EXECUTE FUNCTION note_new_task()"
    ),
    ("tasks", "trigger c_take_subtasks_along"): (
        "enabled CREATE TRIGGER c_take_subtasks_along AFTER UPDATE OF completed, deleted_at, "
        "list_id ON tasks FOR EACH ROW WHEN (new.has_subtasks) "
        "EXECUTE FUNCTION take_subtasks_along()"
    ),
    ("tasks", "trigger note_what_is_gone"): (
        "enabled CREATE TRIGGER note_what_is_gone AFTER DELETE ON tasks REFERENCING OLD TABLE AS "
        "gone FOR EACH STATEMENT EXECUTE FUNCTION note_what_is_gone()"
    ),
    ("task_labels", ROW_SECURITY): "enabled, forced",
    ("task_labels", "policy task_labels_owner"): _OWN_ROWS,
    ("task_labels", "policy task_labels_of_one_user"): _OF_ONE_USER,
    ("task_labels", "right to select"): "every column",
    ("task_labels", "right to insert"): "every column",
    ("task_labels", "right to delete"): "rows",
    ("task_lists", ROW_SECURITY): "enabled, forced",
    **_policies_of_owner(
        "task_lists",
        "((created_at = now()) AND (updated_at = now()) AND (deleted_at IS NULL))",
    ),
    ("task_lists", "policy task_lists_maintenance"): _OLD_ROWS.format("deleted_at"),
    ("task_lists", "policy task_lists_of_one_user"): _OF_ONE_USER,
    ("task_lists", "policy task_lists_counting"): (
        "permissive select to the functions' owner using true"
    ),
    ("task_lists", "right to delete"): "rows",
    ("task_lists", "trigger a_lock_owner"): (
        "enabled CREATE TRIGGER a_lock_owner BEFORE INSERT OR DELETE OR UPDATE ON task_lists "
        "FOR EACH STATEMENT EXECUTE FUNCTION lock_owner()"
    ),
    ("task_lists", "trigger b_note_new_list"): (
        "enabled CREATE TRIGGER b_note_new_list BEFORE INSERT ON task_lists "
        "FOR EACH ROW EXECUTE FUNCTION note_new_list()"
    ),
    ("task_lists", "trigger b_note_changed_list"): (
        "enabled CREATE TRIGGER b_note_changed_list BEFORE UPDATE ON task_lists "
        "FOR EACH ROW EXECUTE FUNCTION note_changed_list()"
    ),
    ("task_lists", "trigger c_take_members_along"): (
        "enabled CREATE TRIGGER c_take_members_along AFTER UPDATE ON task_lists FOR EACH ROW "
        "WHEN (new.deleted_at IS DISTINCT FROM old.deleted_at) "
        "EXECUTE FUNCTION take_members_along()"
    ),
    ("task_lists", "trigger note_what_lists_are_gone"): (
        "enabled CREATE TRIGGER note_what_lists_are_gone AFTER DELETE ON task_lists REFERENCING "
        "OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note_what_lists_are_gone()"
    ),
    ("task_lists", "right to select"): "every column",
    ("task_lists", "right to insert"): (
        "created_at, deleted_at, id, name, position, updated_at, user_id"
    ),
    ("task_lists", "right to update"): "deleted_at, name, position",
    ("task_counters", ROW_SECURITY): "enabled, forced",
    ("task_counters", "policy task_counters_owner"): _OWN_ROWS,
    ("task_counters", "policy task_counters_maintenance"): (
        "permissive all to the functions' owner using true"
    ),
    ("task_counters", "right to select"): "every column",
    ("task_counters", "right to insert"): (
        "bytes, completed_tasks, last_id, live_tasks, tasks, user_id, version"
    ),
    ("task_counters", "right to update"): (
        "bytes, completed_tasks, last_id, live_tasks, tasks, version"
    ),
    ("idempotency_keys", ROW_SECURITY): "enabled, forced",
    ("idempotency_keys", "policy idempotency_keys_owner"): _OWN_ROWS,
    ("idempotency_keys", "policy idempotency_keys_maintenance"): _OLD_ROWS.format("created_at"),
    ("idempotency_keys", "policy idempotency_keys_of_one_user"): _OF_ONE_USER,
    ("idempotency_keys", "right to select"): "every column",
    ("idempotency_keys", "right to insert"): "key, outcome, request, user_id",
    ("calendar_links", ROW_SECURITY): "enabled, forced",
    ("calendar_links", "policy calendar_links_owner"): _OWN_ROWS,
    ("calendar_links", "policy calendar_links_of_one_user"): _OF_ONE_USER,
    ("calendar_links", "right to select"): "every column",
    ("calendar_links", "right to insert"): "name, secret_hash, user_id",
    ("calendar_links", "right to update"): "last_used_at",
    ("calendar_links", "right to delete"): "rows",
    ("calendar_links", "trigger a_lock_owner"): (
        "enabled CREATE TRIGGER a_lock_owner BEFORE INSERT OR DELETE OR UPDATE ON calendar_links "
        "FOR EACH STATEMENT EXECUTE FUNCTION lock_owner()"
    ),
    ("calendar_links", "trigger b_note_new_calendar_link"): (
        "enabled CREATE TRIGGER b_note_new_calendar_link BEFORE INSERT ON calendar_links "
        "FOR EACH ROW EXECUTE FUNCTION note_new_calendar_link()"
    ),
    ("imports", ROW_SECURITY): "enabled, forced",
    ("imports", "policy imports_owner"): _OWN_ROWS,
    ("imports", "policy imports_of_one_user"): _OF_ONE_USER,
    ("imports", "right to select"): "every column",
    ("imports", "right to insert"): "id, key, kind, source, user_id",
    ("idempotency_keys", "trigger remove_steps"): (
        "enabled CREATE TRIGGER remove_steps AFTER DELETE ON idempotency_keys REFERENCING OLD "
        "TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION remove_steps()"
    ),
    ("action_steps", ROW_SECURITY): "enabled, forced",
    ("action_steps", "policy action_steps_owner"): _OWN_ROWS,
    ("action_steps", "policy action_steps_maintenance"): (
        "permissive all to the functions' owner using true"
    ),
    ("action_steps", "right to select"): "every column",
    ("action_steps", "right to insert"): "every column",
    ("action_steps", "right to update"): "version",
    ("action_steps", "right to delete"): "rows",
    ("deleted_users", ROW_SECURITY): "enabled, forced",
    ("deleted_users", "policy deleted_users_owner"): (
        f"permissive select to {SERVER_ROLE} using "
        f"(id_hash = sha256(convert_to({_OWNER}, 'UTF8'::name)))"
    ),
    ("deleted_users", "policy deleted_users_maintenance"): (
        "permissive all to the functions' owner using true"
    ),
    ("deleted_users", "right to select"): "every column",
    ("alembic_version", "right to select"): "every column",
    ("installation", "right to select"): "every column",
    ("", "function act_as"): "callable 03c86591988345ce28fc416199fc484d",
    ("", "function is_distributed"): (
        "callable set search_path=pg_catalog d3678bfa6e45abadd897f4d28645ef40"
    ),
    ("", "function tokens_count"): (
        f"callable set {_SEARCH_PATH} 558c14e9c0911e2e01f6582aa214fded"
    ),
    ("", "function lock_owner"): "callable b6a371f51cab2358755166342d266bdd",
    ("", "function take_number"): "callable 37aac946fec8fc0811e5385dfe0978db",
    ("", "function length_of"): "callable 03dd5e7a33b369f091b3a098a31cd354",
    ("", "function label_key"): "callable 089f7c34b6ab91119998e4b1d2f8bae3",
    ("", "function spelled"): "callable 4a3c9bd858575b106a88bc34ec3af56b",
    ("", "function note_new_task"): "callable e2273cc86f0063e32392074abaa2f283",
    ("", "function day_in_month"): "callable cf7a77ae567c0cabacc6d1adca5b2c88",
    ("", "function next_in_series"): "callable 7ba69ad6fadd68b901f5fa5c271ff6d4",
    ("", "function next_due"): "callable 11f77d67bff53febee9323d9ac4e5344",
    ("", "function next_rule"): "callable 5a941a0ff320922e5bceca3ed242f71b",
    ("", "function next_days"): "callable 0b9870219ea8361e3107ba502a149914",
    ("", "function checked_rule"): "callable 845fdbe35cf160119012fe2ff7cedc49",
    ("", "function make_successor"): "callable 4e42a9e36950738d43353d46ff543243",
    ("", "function kept_successor"): "callable 5e8481963ab1867836083ec8b387e0dc",
    ("", "function changes_too"): "callable 463664026a18b60dfa80aae69b0ea99a",
    ("", "function note_changed_task"): "callable dbc7c8c354f892bdee76b46604c157be",
    ("", "function live_tasks_of"): "callable 5ad30a85271f0e77e2244dcdc03f16a8",
    ("", "function successor_of"): "callable 9a90e3e2c9f38e39b67b535ab0a516e3",
    ("", "function note_completed_task"): "callable a4d7bb0276e308fbf0c038dca7e73e17",
    ("", "function overwritten_of_task"): "callable 51824d8cab1eaf88bbc099787d16a288",
    ("", "function overwritten_of_list"): "callable 90a1554e8706f0288865dd24b4b5661b",
    ("", "function note_step"): "callable 99559c5ed0b4b867d1ae05961106e5d8",
    ("", "function remove_steps"): (
        f"{_AS_OWNER} set {_SEARCH_PATH} b8e2a4325ed24735da6b2cf1be7f3f61"
    ),
    ("", "function what_was"): "callable 2d16f86af027a26a5db96194d24e668f",
    ("", "function undo_action"): "callable 4c50b0e855df1c9a9ef8920443f0fc40",
    ("", "function stored_by"): "callable d298e61bbe0f53fda778afb8a7a6df83",
    ("", "function take_next_number"): "callable 5fe2129eacdcafc3f1f557fb47a15107",
    ("", "function check_id"): "callable 26defe3a89d4f1e982ccc1c1bef1e5c1",
    ("", "function key_between"): "callable 331567fbc82e3aa9d5642a6821af4e8e",
    ("", "function key_below"): "callable 0985c41f0fd365605011af5875e3bab3",
    ("", "function key_above"): "callable a7f5450463974d03a0ac4dffa4cbebe9",
    ("", "function keys_between"): "callable 2f3552821835d4fd6d39381c6bc7e0d8",
    ("", "function neighbours"): "callable 37d64a158d652e321b577bb9b1d7944b",
    ("", "function key_of_place"): "callable ddd84a94ff3b23fd048002672a91b6e3",
    ("", "function key_of_number"): "callable ae90e3c6873bfe3b11665180f1e1bc67",
    ("", "function key_of_list"): "callable 4590a13965a6b06d286dc5976294c0f2",
    ("", "function key_of_task"): "callable e1c654040f6f3b07445805415d4871f0",
    ("", "function checked_list"): "callable acaf6232b4af38f853f0ac94e206aad8",
    ("", "function take_subtasks_along"): "callable 9c4f96a2d05700f6083dbbc5762754c6",
    ("", "function note_new_list"): "callable 3fc06bdc3cce3b6931ef386c89601cf4",
    ("", "function note_changed_list"): "callable 05506239c100def519d683625f2595cc",
    ("", "function take_members_along"): "callable 41bafc9a4f3648538a5f65efb7a91d9b",
    ("", "function note_what_lists_are_gone"): (
        f"{_AS_OWNER} set {_SEARCH_PATH} d58db8b1965249b4d47e863fde1aae7d"
    ),
    ("", "function note_new_calendar_link"): "callable 2a161adbba6a8793df2ea3556100288d",
    ("", "function add_labels"): "callable 3c0e4994f48aab4ffeeae4b39494539f",
    ("", "function note_what_is_gone"): (
        f"{_AS_OWNER} set {_SEARCH_PATH} 29b1273474dca2d23080d64f5fbe77db"
    ),
    ("", "function purge_idempotency_keys"): (
        f"{_AS_OWNER} callable set {_SEARCH_PATH}, DateStyle=iso a3c555185120ba50dc6386666de52fdf"
    ),
    ("", "function purge_trash"): (
        f"{_AS_OWNER} callable set {_SEARCH_PATH}, DateStyle=iso 464077b64b457bfe545607cef4d7ecaf"
    ),
    ("", "function is_deleted"): "callable 9c65aba4b4cecc916ef62f0c623a3827",
    ("", "function refuse_deleted_user"): "callable c2e0909564957975eb257a3bd6dfb509",
    (
        "",
        "function deletions_since",
    ): f"{_AS_OWNER} callable set {_SEARCH_PATH} c48ad4cf18e1e24f945cb7deae3de1f4",
    (
        "",
        "function purge_deleted_users",
    ): f"{_AS_OWNER} callable set {_SEARCH_PATH} 0acd7f2fce1bb7e4cf8179babcaf0276",
    ("", "function query_for"): f"callable set {_SEARCH_PATH} ccd5ff62699439e9d116a220ca27610c",
    ("", "function search_tasks"): (
        f"{_AS_OWNER} callable set {_SEARCH_PATH}, enable_seqscan=off "
        "4d48e13757b65ca3b027f8b15b0bc79b"
    ),
    ("", "function take_claims"): (
        f"{_AS_OWNER} callable set {_SEARCH_PATH} 6f57ea437cb14c44fb12d1f86e8072ef"
    ),
    ("", "function words_of"): "callable 619e37fcb4df506f3633f69dc4d7bfdb",
    ("", "function words_in"): "callable ac55dd5ffeb78b9e0b34d3b2501b02fd",
    ("", "function words_in_unicode"): "callable b52fde124e36fb07a7247707f99ca011",
    ("", "function place_of"): "callable 216d64cdfe261a7ed0a9a92a53b71df1",
    ("", "function fold"): "callable e8e574836873250a109c2972f338472b",
    ("", "function spaced"): "callable e321ab0b41c90bddc1ad663c52f571d7",
    ("", "function order_of"): "callable 0c83e70a58bcbbdcc83a39dfe4931c08",
    ("", "right to use the schema"): "granted",
}
"""What there must be, as `QUERY` in protection.py tells it.

A policy's expressions are in PostgreSQL's own words, and a function's text is an MD5 digest. The
server's role has its usual name here; see `expected_for`.
"""

FINISHED: dict[str, dict[Key, str]] = {}
"""What is different after each `after` step, in their order."""

DISTRIBUTED: dict[Key, str] = {
    ("tasks", "right to insert"): (
        "completed, completed_at, completed_on, created_at, deleted_at, description, due_at, "
        "due_on, due_time, has_subtasks, id, labels, list_id, parent_id, position, priority, "
        "repeats, successor_id, title, updated_at, user_id"
    ),
    ("task_counters", "right to insert"): (
        "beginning, bytes, completed_tasks, last_id, live_tasks, purged_version, tasks, user_id, "
        "version"
    ),
    ("idempotency_keys", "right to insert"): "created_at, key, outcome, request, user_id",
    # A key is written first there, and what its change was beside the change.
    ("idempotency_keys", "right to update"): "outcome",
    ("calendar_links", "right to insert"): "created_at, name, secret_hash, user_id",
    ("imports", "right to insert"): "created_at, id, key, kind, source, user_id",
}
"""What is different where tables are distributed: the node that is asked spells defaults out."""

NEWEST = max(FINISHED, default=REVISION)
"""The newest migration that this code knows."""


def expected_at(revision: str) -> dict[Key, str]:
    """Return what there must be where the database is at a migration that this code knows."""
    made = [changes for step, changes in FINISHED.items() if step <= revision]
    return {key: state for each in (EXPECTED, *made) for key, state in each.items()}


FUNCTIONS = tuple(thing.split()[1] for table, thing in EXPECTED if thing.startswith("function "))
