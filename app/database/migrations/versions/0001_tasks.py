"""The tables: made, or adopted where Better Auth or a hand-made system has made them before

Every step is SQL that does nothing where nothing is to be done, so one path serves a new database,
an adopted one, and one that was downgraded; and `--sql` prints what would run.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

kind = "before"
serves = "0.1.0"
locks = {"users": "ACCESS EXCLUSIVE", "tasks": "ACCESS EXCLUSIVE"}
rewrites = {"users": "rewritten under its lock", "tasks": "rewritten under its lock"}

REFUSE_WHAT_WOULD_BE_LOST = r"""
DO $$
DECLARE
    found record;
    problem text;
BEGIN
    -- What is checked here must still be so when it is changed.
    FOR found IN SELECT relation FROM (VALUES ('users'), ('tasks')) AS tables (relation)
                 WHERE to_regclass(relation) IS NOT NULL
    LOOP EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', found.relation); END LOOP;

    SELECT CASE WHEN a.attname IS NULL THEN format('%s has no column %s', relation, wanted.attname)
                ELSE format('%s.%s is of type %s, and must be %s', relation, wanted.attname,
                            format_type(a.atttypid, a.atttypmod), wanted.name) END
    INTO problem
    FROM (VALUES
        ('users', 'id', 'text', ARRAY['text', 'varchar'], true),
        ('users', 'email', 'text', ARRAY['text', 'varchar', 'citext'], false),
        ('users', 'name', 'text', ARRAY['text', 'varchar'], false),
        ('users', 'email_verified', 'boolean', ARRAY['bool'], false),
        ('users', 'image', 'text', ARRAY['text', 'varchar'], false),
        ('users', 'created_at', 'a timestamp', ARRAY['timestamp', 'timestamptz'], false),
        ('users', 'updated_at', 'a timestamp', ARRAY['timestamp', 'timestamptz'], false),
        ('tasks', 'id', 'a whole number', ARRAY['int2', 'int4', 'int8'], true),
        ('tasks', 'user_id', 'text', ARRAY['text', 'varchar'], true),
        ('tasks', 'title', 'text', ARRAY['text', 'varchar'], true),
        ('tasks', 'description', 'text', ARRAY['text', 'varchar'], false),
        ('tasks', 'completed', 'boolean', ARRAY['bool'], false),
        ('tasks', 'created_at', 'a timestamp', ARRAY['timestamp', 'timestamptz'], false),
        ('tasks', 'updated_at', 'a timestamp', ARRAY['timestamp', 'timestamptz'], false),
        ('tasks', 'version', 'integer', ARRAY['int4'], false)
    ) AS wanted (relation, attname, name, types, is_needed)
    LEFT JOIN pg_attribute a ON a.attrelid = to_regclass(relation) AND a.attname = wanted.attname
    LEFT JOIN pg_type t ON t.oid = a.atttypid
    WHERE to_regclass(relation) IS NOT NULL
      AND CASE WHEN a.attname IS NULL THEN is_needed ELSE t.typname <> ALL (types) END;
    IF problem IS NULL THEN
        SELECT format('%s has a primary key that is not its id', k.conrelid::regclass)
        INTO problem
        FROM pg_constraint k
        WHERE k.contype = 'p' AND k.conrelid IN (to_regclass('users'), to_regclass('tasks'))
          AND k.conkey <> ARRAY[(SELECT attnum FROM pg_attribute
                                 WHERE attrelid = k.conrelid AND attname = 'id')];
    END IF;
    IF problem IS NULL THEN
        -- Policies add up: one that lets everybody see everything would undo ours.
        SELECT format('tasks has a row security policy of its own, %s', polname) INTO problem
        FROM pg_policy WHERE polrelid = to_regclass('tasks');
    END IF;
    IF problem IS NULL THEN
        SELECT format('%s.%s must be given and has no default, and this server knows nothing of it',
                      c.relname, a.attname)
        INTO problem
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE NOT a.attisdropped AND a.attnum > 0 AND a.attnotnull AND NOT a.atthasdef
          AND a.attidentity = '' AND (
            a.attrelid = to_regclass('users') AND a.attname NOT IN
              ('id', 'email', 'name', 'email_verified', 'image', 'created_at', 'updated_at')
            OR a.attrelid = to_regclass('tasks') AND a.attname NOT IN
              ('id', 'user_id', 'title', 'description', 'completed', 'created_at', 'updated_at',
               'version'));
    END IF;
    IF problem IS NULL AND to_regclass('tasks') IS NOT NULL THEN
        FOR found IN EXECUTE $check$
            SELECT why, count(*) AS rows, (array_agg(id ORDER BY id))[1:5] AS ids
            FROM tasks, LATERAL (VALUES
                (CASE WHEN user_id IS NULL THEN 'belong to nobody' END),
                (CASE WHEN btrim(coalesce(title, ''), E' \t\n\x0b\f\r') = ''
                      THEN 'have a blank title' END),
                (CASE WHEN char_length(title) > 200
                      THEN 'have a title of more than 200 characters' END),
                (CASE WHEN char_length(to_jsonb(tasks) ->> 'description') > 1000
                      THEN 'have a description of more than 1000 characters' END)
            ) AS reasons (why)
            WHERE why IS NOT NULL GROUP BY why ORDER BY why LIMIT 1
        $check$ LOOP
            problem := format('%s tasks %s (id %s)', found.rows, found.why,
                              array_to_string(found.ids, ', '));
        END LOOP;
    END IF;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'The tables that are there cannot be adopted without loss: %.', problem;
    END IF;
END $$
"""

USERS = """
CREATE TABLE IF NOT EXISTS users (
    id text NOT NULL,
    email text,
    name text NOT NULL,
    email_verified boolean DEFAULT false NOT NULL,
    image text,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT users_email_key UNIQUE (email)
)
"""

ADOPT_USERS = """
ALTER TABLE users
    ADD COLUMN IF NOT EXISTS email text,
    ADD COLUMN IF NOT EXISTS name text,
    ADD COLUMN IF NOT EXISTS email_verified boolean,
    ADD COLUMN IF NOT EXISTS image text,
    ADD COLUMN IF NOT EXISTS created_at timestamptz,
    ADD COLUMN IF NOT EXISTS updated_at timestamptz
"""

EMAIL_IS_OPTIONAL = "ALTER TABLE users ALTER COLUMN email DROP NOT NULL"

TASKS = r"""
CREATE TABLE IF NOT EXISTS tasks (
    id bigint GENERATED BY DEFAULT AS IDENTITY,
    user_id text NOT NULL,
    title varchar(200) NOT NULL,
    description text,
    completed boolean DEFAULT false NOT NULL,
    created_at timestamptz DEFAULT now() NOT NULL,
    updated_at timestamptz DEFAULT now() NOT NULL,
    version integer NOT NULL,
    CONSTRAINT tasks_pkey PRIMARY KEY (id)
)
"""

ADOPT_TASKS = """
ALTER TABLE tasks
    ADD COLUMN IF NOT EXISTS description text,
    ADD COLUMN IF NOT EXISTS completed boolean,
    ADD COLUMN IF NOT EXISTS created_at timestamptz,
    ADD COLUMN IF NOT EXISTS updated_at timestamptz,
    ADD COLUMN IF NOT EXISTS version integer
"""

CONVERT_COLUMNS = """
DO $$
DECLARE
    found record;
BEGIN
    -- Indexes by the owner alone are redundant, foreign keys are made anew, and so are defaults.
    FOR found IN SELECT i.indexrelid::regclass AS name FROM pg_index i JOIN pg_attribute a
                 ON a.attrelid = i.indrelid AND a.attnum = ALL (i.indkey)
                 WHERE i.indrelid = 'tasks'::regclass AND a.attname = 'user_id' AND i.indnatts = 1
                   AND NOT i.indisunique AND i.indpred IS NULL
    LOOP EXECUTE format('DROP INDEX %s', found.name); END LOOP;
    FOR found IN SELECT conname FROM pg_constraint
                 WHERE conrelid = 'tasks'::regclass AND contype = 'f'
                   AND confrelid = 'users'::regclass
                   AND conkey = ARRAY[(SELECT attnum FROM pg_attribute
                                       WHERE attrelid = conrelid AND attname = 'user_id')]
    LOOP EXECUTE format('ALTER TABLE tasks DROP CONSTRAINT %I', found.conname); END LOOP;

    -- A time without a zone was meant as UTC.
    FOR found IN
        SELECT a.attrelid::regclass AS relation, a.attname, t.typname,
               wanted.type, wanted.conversion
        FROM (VALUES
            ('users', 'id', 'text', ''), ('users', 'email', 'text', ''),
            ('users', 'name', 'text', ''), ('users', 'image', 'text', ''),
            ('users', 'created_at', 'timestamptz', ' AT TIME ZONE ''UTC'''),
            ('users', 'updated_at', 'timestamptz', ' AT TIME ZONE ''UTC'''),
            ('tasks', 'id', 'int8', ''), ('tasks', 'user_id', 'text', ''),
            ('tasks', 'title', 'varchar', ''), ('tasks', 'description', 'text', ''),
            ('tasks', 'created_at', 'timestamptz', ' AT TIME ZONE ''UTC'''),
            ('tasks', 'updated_at', 'timestamptz', ' AT TIME ZONE ''UTC''')
        ) AS wanted (relation, attname, type, conversion)
        JOIN pg_attribute a
          ON a.attrelid = wanted.relation::regclass AND a.attname = wanted.attname
        JOIN pg_type t ON t.oid = a.atttypid
        WHERE t.typname <> wanted.type OR wanted.type = 'varchar' AND a.atttypmod <> 204
    LOOP
        IF found.conversion <> '' THEN
            EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT',
                           found.relation, found.attname);
        END IF;
        EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s USING %I%s', found.relation,
                       found.attname,
                       CASE found.type WHEN 'varchar' THEN 'varchar(200)' ELSE found.type END,
                       found.attname, found.conversion);
    END LOOP;
END $$
"""

PRIMARY_KEYS = """
DO $$
DECLARE
    relation text;
BEGIN
    FOREACH relation IN ARRAY ARRAY['users', 'tasks'] LOOP
        IF NOT EXISTS (SELECT FROM pg_constraint
                       WHERE conrelid = relation::regclass AND contype = 'p') THEN
            EXECUTE format('ALTER TABLE %1$s ADD CONSTRAINT %1$s_pkey PRIMARY KEY (id)', relation);
        END IF;
    END LOOP;
END $$
"""

IDENTITY = """
DO $$
DECLARE
    -- Where ids came from so far: a sequence of the column's own, or one that its default names.
    own text := pg_get_serial_sequence('tasks', 'id');
    numbers text := coalesce(own, (
        SELECT s.oid::regclass::text
        FROM pg_attrdef d
        JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum AND a.attname = 'id'
        JOIN pg_depend u ON u.classid = 'pg_attrdef'::regclass AND u.objid = d.oid
        JOIN pg_class s ON s.oid = u.refobjid AND s.relkind = 'S'
        WHERE d.adrelid = 'tasks'::regclass LIMIT 1));
    last bigint := 0;
BEGIN
    IF numbers IS NOT NULL THEN
        EXECUTE format('SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM %s',
                       numbers) INTO last;
    END IF;
    SELECT greatest(last, max(id)) FROM tasks INTO last;
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'tasks'::regclass AND attname = 'id'
               AND attidentity <> '') THEN
        ALTER TABLE tasks ALTER COLUMN id SET GENERATED BY DEFAULT;
    ELSE
        ALTER TABLE tasks ALTER COLUMN id DROP DEFAULT;
        IF own IS NOT NULL THEN
            EXECUTE format('DROP SEQUENCE %s', own);
        END IF;
        ALTER TABLE tasks ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY;
    END IF;
    IF last > 0 THEN
        -- No id that ever was is used again, not even a deleted task's.
        PERFORM setval(pg_get_serial_sequence('tasks', 'id'), last);
    END IF;
END $$
"""

FILL = """
DO $$
DECLARE
    switch_on text;
    again text[];
BEGIN
    -- A trigger that notes the time of a change must not take this for one.
    SELECT array_agg(format('ALTER TABLE %s ENABLE %sTRIGGER %I', tgrelid::regclass,
                            CASE tgenabled WHEN 'A' THEN 'ALWAYS ' WHEN 'R' THEN 'REPLICA '
                            ELSE '' END, tgname))
    INTO again
    FROM pg_trigger
    WHERE tgrelid IN ('users'::regclass, 'tasks'::regclass) AND NOT tgisinternal
      AND tgenabled <> 'D';
    IF again IS NOT NULL THEN
        ALTER TABLE users DISABLE TRIGGER USER;
        ALTER TABLE tasks DISABLE TRIGGER USER;
    END IF;

    UPDATE users SET name = id WHERE name IS NULL;
    UPDATE users SET email_verified = false WHERE email_verified IS NULL;
    UPDATE users SET created_at = now() WHERE created_at IS NULL;
    UPDATE users SET updated_at = created_at WHERE updated_at IS NULL;
    UPDATE tasks SET completed = false WHERE completed IS NULL;
    UPDATE tasks SET created_at = coalesce(updated_at, now()) WHERE created_at IS NULL;
    UPDATE tasks SET updated_at = created_at WHERE updated_at IS NULL;
    -- All of them: a version column that was there counted something else.
    UPDATE tasks SET version = numbered.version
    FROM (SELECT id, row_number() OVER (PARTITION BY user_id ORDER BY updated_at, id) AS version
          FROM tasks) AS numbered
    WHERE numbered.id = tasks.id;

    FOREACH switch_on IN ARRAY coalesce(again, '{}') LOOP EXECUTE switch_on; END LOOP;
END $$
"""

MISSING_USERS = (
    "INSERT INTO users (id, name, email_verified, created_at, updated_at) "
    "SELECT DISTINCT user_id, user_id, false, now(), now() FROM tasks "
    "WHERE NOT EXISTS (SELECT FROM users WHERE users.id = tasks.user_id)"
)

CONSTRAIN = [
    "ALTER TABLE users ALTER COLUMN name SET NOT NULL",
    "ALTER TABLE users ALTER COLUMN email_verified SET DEFAULT false, "
    "ALTER COLUMN email_verified SET NOT NULL",
    "ALTER TABLE users ALTER COLUMN created_at SET DEFAULT now(), "
    "ALTER COLUMN created_at SET NOT NULL",
    "ALTER TABLE users ALTER COLUMN updated_at SET DEFAULT now(), "
    "ALTER COLUMN updated_at SET NOT NULL",
    "ALTER TABLE tasks ALTER COLUMN user_id SET NOT NULL, ALTER COLUMN title SET NOT NULL, "
    "ALTER COLUMN description DROP NOT NULL",
    "ALTER TABLE tasks ALTER COLUMN version DROP DEFAULT, ALTER COLUMN version SET NOT NULL",
    "ALTER TABLE tasks ALTER COLUMN completed SET DEFAULT false, "
    "ALTER COLUMN completed SET NOT NULL",
    "ALTER TABLE tasks ALTER COLUMN created_at SET DEFAULT now(), "
    "ALTER COLUMN created_at SET NOT NULL",
    "ALTER TABLE tasks ALTER COLUMN updated_at SET DEFAULT now(), "
    "ALTER COLUMN updated_at SET NOT NULL",
    """
    DO $$
    DECLARE
        email record;
    BEGIN
        -- Unique as a constraint or as an index only, and under any name: it takes ours.
        SELECT i.indexrelid::regclass AS index, k.conname INTO email
        FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ALL (i.indkey)
        LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype = 'u'
        WHERE i.indrelid = 'users'::regclass AND a.attname = 'email' AND i.indisunique
          AND i.indnatts = 1 AND i.indpred IS NULL AND i.indoption[0] = 0
        ORDER BY k.conname = 'users_email_key' DESC NULLS LAST, k.conname NULLS LAST LIMIT 1;
        IF NOT FOUND THEN
            ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE (email);
        ELSIF email.conname IS NULL THEN
            EXECUTE format('ALTER TABLE users ADD CONSTRAINT users_email_key UNIQUE USING INDEX %s',
                           email.index);
        ELSIF email.conname <> 'users_email_key' THEN
            EXECUTE format('ALTER TABLE users RENAME CONSTRAINT %I TO users_email_key',
                           email.conname);
        END IF;
    END $$
    """,
    "ALTER TABLE tasks DROP CONSTRAINT IF EXISTS tasks_title_check",
    "ALTER TABLE tasks DROP CONSTRAINT IF EXISTS tasks_description_check",
    r"ALTER TABLE tasks ADD CONSTRAINT tasks_title_check "
    r"CHECK (btrim(title, E' \t\n\x0b\f\r') <> '')",
    "ALTER TABLE tasks ADD CONSTRAINT tasks_description_check "
    "CHECK (char_length(description) <= 1000)",
    "ALTER TABLE tasks ADD CONSTRAINT tasks_user_id_fkey "
    "FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE",
    "CREATE INDEX IF NOT EXISTS tasks_by_created_at ON tasks (user_id, created_at, id)",
    "CREATE INDEX IF NOT EXISTS tasks_by_updated_at ON tasks (user_id, updated_at, id)",
    "CREATE INDEX IF NOT EXISTS tasks_by_title ON tasks (user_id, lower(title), id)",
]

COUNTERS = [
    """
    CREATE TABLE IF NOT EXISTS task_counters (
        user_id text NOT NULL,
        version integer NOT NULL,
        CONSTRAINT task_counters_pkey PRIMARY KEY (user_id),
        CONSTRAINT task_counters_user_id_fkey
            FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
    )
    """,
    "INSERT INTO task_counters (user_id, version) "
    "SELECT user_id, max(version) FROM tasks GROUP BY user_id",
]

DROP_IF_EMPTY = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM {table}) THEN
        DROP TABLE {table};
    END IF;
END $$
"""


def upgrade() -> None:
    for statement in [
        REFUSE_WHAT_WOULD_BE_LOST,
        USERS,
        ADOPT_USERS,
        EMAIL_IS_OPTIONAL,
        TASKS,
        ADOPT_TASKS,
        CONVERT_COLUMNS,
        PRIMARY_KEYS,
        IDENTITY,
        FILL,
        MISSING_USERS,
        *CONSTRAIN,
        *COUNTERS,
    ]:
        op.execute(statement)


def downgrade() -> None:
    """Leave every row where it is; an upgrade afterwards adopts the tables again."""
    op.execute("DROP TABLE task_counters")
    op.execute("ALTER TABLE tasks DROP COLUMN version")
    for index in ("created_at", "updated_at", "title"):
        op.execute(f"DROP INDEX tasks_by_{index}")
    op.execute("ALTER TABLE tasks DROP CONSTRAINT tasks_title_check")
    op.execute("ALTER TABLE tasks DROP CONSTRAINT tasks_description_check")
    op.execute(DROP_IF_EMPTY.format(table="tasks"))
    op.execute(
        """
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM users) AND NOT EXISTS
               (SELECT FROM pg_constraint WHERE confrelid = 'users'::regclass) THEN
                DROP TABLE users;
            END IF;
        END $$
        """
    )
