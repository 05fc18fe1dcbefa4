import { useEffect, useEffectEvent, useRef, useState, type FormEvent } from "react";
import { useMutation, useQuery, useSubscription, type CombinedError } from "urql";
import { EVERYWHERE, INBOX, STATUSES, within, type Where } from "./cache";
import { useConnection } from "./connection";
import { DetailFields, detailsIn, isOfDetails } from "./Details";
import { useMoment } from "./due";
import { reasonOf, sentence, type Outcome } from "./failures";
import { Field } from "./Field";
import {
  CountsDocument,
  CreateTaskDocument,
  FollowChangesDocument,
  ListsDocument,
  TasksDocument,
  WhereChangesEndDocument,
  type ListFieldsFragment,
  type TaskStatus,
} from "./gql/graphql";
import { Lists, type Choice } from "./Lists";
import { TaskItem } from "./TaskItem";

const LABELS = { ALL: "All", PENDING: "Pending", COMPLETED: "Completed" };
const WHEN_EMPTY = {
  ALL: "No tasks yet. What comes first?",
  PENDING: "Nothing left to do.",
  COMPLETED: "Nothing completed yet.",
};

export function Tasks() {
  const [status, setStatus] = useState<TaskStatus>("ALL");
  const [choice, setChoice] = useState<Choice>("everything");
  const [news, setNews] = useState("");
  const [{ data: changes, error }, fetchAgain] = useQuery({ query: WhereChangesEndDocument });
  const [start, setStart] = useState<string | null>(null);
  const end = changes?.changes.pageInfo.endCursor;
  if (end && !start) setStart(end);
  // The lists are read when it is known from where they are followed.
  const pause = !start;
  const [{ data }, fetchLists] = useQuery({ query: ListsDocument, pause });
  // Those that are known stay where they could not be read again.
  const [lists, setLists] = useState<ListFieldsFragment[]>([]);
  if (data && data.lists.nodes !== lists) setLists(data.lists.nodes);
  // A list that has been deleted elsewhere shows no more.
  const list = lists.find(({ id }) => id === choice);
  const where = list ? within(list.id) : choice === "inbox" ? INBOX : EVERYWHERE;
  const [{ data: counts }, count] = useQuery({ query: CountsDocument, variables: where, pause });

  const shown = JSON.stringify(where);

  if (error && pause) return <Problem error={error} onAgain={fetchAgain} />;
  return (
    <main>
      <Lists
        lists={lists}
        chosen={list}
        choice={list || choice === "inbox" ? choice : "everything"}
        onChoose={setChoice}
        onNews={setNews}
      />
      <AddTask listId={list?.id} onNews={setNews} />
      <nav className="choices" aria-label="Which tasks">
        {STATUSES.map((value) => (
          <button key={value} aria-pressed={value === status} onClick={() => setStatus(value)}>
            {LABELS[value]} <span className="badge">{counts?.[value].totalCount}</span>
          </button>
        ))}
      </nav>
      {start && (
        <Follow
          start={start}
          shown={shown}
          onCalm={() => {
            count({ requestPolicy: "network-only" });
            fetchLists({ requestPolicy: "network-only" });
          }}
        />
      )}
      {start && (
        <TaskList
          key={`${status} ${shown}`}
          status={status}
          where={where}
          onNews={setNews}
        />
      )}
      <p role="status" className="news">
        <span key={news}>{news}</span>
      </p>
    </main>
  );
}

/** Milliseconds without a change after which what the cache cannot mend is read again. */
const CALM = 100;

type FollowProps = { start: string; shown: string; onCalm: () => void };

/** Has the cache follow what is changed elsewhere, since the start of this page or the last one. */
function Follow({ start, shown, onCalm }: FollowProps) {
  const { renew, live } = useConnection();
  const [{ data, error }] = useSubscription({
    query: FollowChangesDocument,
    variables: { after: start },
  });
  const cursor = data?.changes.cursor;
  // What is read again is what is shown then.
  const calm = useEffectEvent(onCalm);
  const isTooLate = error?.graphQLErrors.some(
    ({ extensions }) => extensions.code === "CURSOR_EXPIRED",
  );

  // What could not be read while the server was out of reach.
  useEffect(() => live.onChange(() => live.isOnline() && calm()), []);

  // Counts of what was not shown have not followed.
  useEffect(() => {
    if (!live.isOnline()) return;
    const timer = setTimeout(() => calm(), CALM);
    return () => clearTimeout(timer);
  }, [cursor, shown]);

  useEffect(() => {
    // Deletions since then are forgotten, so what is kept here cannot be mended.
    if (isTooLate) void renew();
  }, [isTooLate]);

  return null;
}

/** Told what has happened, for everybody to read and for screen readers to say. */
export type OnNews = (news: string) => void;

type AddTaskProps = { listId: string | undefined; onNews: OnNews };

function AddTask({ listId, onNews }: AddTaskProps) {
  const [, createTask] = useMutation(CreateTaskDocument);
  const [wrong, setWrong] = useState<{ title?: string; outcome?: Outcome }>({});
  const [isOpen, setOpen] = useState(false);
  const { changes } = useConnection();

  // The fields are free for the next task at once: the answer may come late, and in between come others.
  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const written = new FormData(form);
    const title = String(written.get("title"));
    if (!title) return;
    form.reset();
    setWrong({});
    const input = { title, listId, ...detailsIn(written), idempotencyKey: crypto.randomUUID() };
    const { data, error } = await changes.answerTo(createTask({ input }), () =>
      onNews(`“${title}” is kept, and added later.`),
    );
    const outcome = data?.createTask;
    if (outcome?.__typename === "Task") return onNews(`Added “${title}”.`);
    const reason = reasonOf(outcome, error);
    const field = (name: string) => form.elements.namedItem(name) as HTMLInputElement;
    if (field("title").value) return setWrong({ title: `“${title}”: ${reason}` });
    for (const [name, value] of written) field(name).value = String(value);
    if (!isOfDetails(outcome)) return setWrong({ title: reason });
    setWrong({ outcome });
    setOpen(true);
  }

  return (
    <form className="add" onSubmit={submit}>
      <Field
        label="What is to be done?"
        name="title"
        autoComplete="off"
        autoFocus
        maxLength={200}
        error={wrong.title}
      />
      <button className="main">Add</button>
      <details open={isOpen} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>Date, priority, labels</summary>
        <DetailFields outcome={wrong.outcome} />
      </details>
    </form>
  );
}

type TaskListProps = { status: TaskStatus; where: Where; onNews: OnNews };

function TaskList({ status, where, onNews }: TaskListProps) {
  const now = useMoment();
  const [after, setAfter] = useState<string | null>(null);
  const [{ data, error, fetching }, fetchAgain] = useQuery({
    query: TasksDocument,
    variables: { status, ...where, after },
  });
  const list = useRef<HTMLUListElement>(null);
  const page = data?.tasks.pageInfo;
  // What was ticked a moment ago may still be in the cached list.
  const tasks = data?.tasks.nodes.filter(
    ({ completed }) => status === "ALL" || completed === (status === "COMPLETED"),
  );

  // Who ticks or deletes a task by keyboard goes on in the list that it has left.
  useEffect(() => {
    if (document.activeElement === document.body) list.current?.focus({ preventScroll: true });
  }, [tasks?.length]);

  return (
    <>
      <ul className="tasks" aria-label="Tasks" aria-busy={fetching} tabIndex={-1} ref={list}>
        {tasks?.map((task) => (
          <TaskItem key={task.id} task={task} now={now} onNews={onNews} />
        ))}
      </ul>
      {tasks?.length === 0 && !page?.hasNextPage && <p className="empty">{WHEN_EMPTY[status]}</p>}
      {error && <Problem error={error} onAgain={fetchAgain} />}
      {page?.hasNextPage && !error && (
        <More key={page.endCursor} onSeen={() => setAfter(page.endCursor)} />
      )}
    </>
  );
}

type ProblemProps = {
  error: CombinedError;
  onAgain: (how: { requestPolicy: "network-only" }) => void;
};

function Problem({ error, onAgain }: ProblemProps) {
  const { live } = useConnection();
  useEffect(
    () => live.onChange(() => live.isOnline() && onAgain({ requestPolicy: "network-only" })),
    [onAgain],
  );
  return (
    <p role="alert" className="error">
      {sentence(error)}{" "}
      <button onClick={() => onAgain({ requestPolicy: "network-only" })}>Try again</button>
    </p>
  );
}

/** The end of what has been fetched: once it is seen, or pressed, there is more. */
function More({ onSeen }: { onSeen: () => void }) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting) onSeen();
      },
      { rootMargin: "200px" },
    );
    observer.observe(button.current!);
    return () => observer.disconnect();
  });
  return (
    <button className="quiet more" ref={button} onClick={onSeen}>
      More
    </button>
  );
}
