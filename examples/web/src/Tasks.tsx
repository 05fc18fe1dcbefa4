import { useEffect, useRef, useState, type FormEvent } from "react";
import { useMutation, useQuery } from "urql";
import { issueOf, sentence } from "./failures";
import { Field } from "./Field";
import { CountsDocument, CreateTaskDocument, TasksDocument, type TaskStatus } from "./gql/graphql";
import { TaskItem } from "./TaskItem";

const STATUSES: TaskStatus[] = ["ALL", "PENDING", "COMPLETED"];
const LABELS = { ALL: "All", PENDING: "Pending", COMPLETED: "Completed" };
const WHEN_EMPTY = {
  ALL: "No tasks yet. What comes first?",
  PENDING: "Nothing left to do.",
  COMPLETED: "Nothing completed yet.",
};

export function Tasks() {
  const [status, setStatus] = useState<TaskStatus>("ALL");
  const [news, setNews] = useState("");
  const [{ data: counts }] = useQuery({ query: CountsDocument });

  return (
    <main>
      <AddTask onNews={setNews} />
      <nav className="filters" aria-label="Which tasks">
        {STATUSES.map((value) => (
          <button key={value} aria-pressed={value === status} onClick={() => setStatus(value)}>
            {LABELS[value]} <span className="badge">{counts?.[value].totalCount}</span>
          </button>
        ))}
      </nav>
      <TaskList key={status} status={status} onNews={setNews} />
      <p role="status" className="news">
        <span key={news}>{news}</span>
      </p>
    </main>
  );
}

/** Told what has happened, for everybody to read and for screen readers to say. */
export type OnNews = (news: string) => void;

function AddTask({ onNews }: { onNews: OnNews }) {
  const [{ data, error, fetching }, createTask] = useMutation(CreateTaskDocument);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const title = String(new FormData(form).get("title"));
    const { data } = await createTask({ input: { title } });
    if (data?.createTask?.__typename !== "Task") return;
    onNews(`Added “${data.createTask.title}”.`);
    form.reset();
  }

  return (
    <form className="add" onSubmit={submit}>
      <Field
        label="What is to be done?"
        name="title"
        autoComplete="off"
        autoFocus
        error={error ? sentence(error) : issueOf(data?.createTask, "title")}
      />
      <button className="main" disabled={fetching}>
        Add
      </button>
    </form>
  );
}

function TaskList({ status, onNews }: { status: TaskStatus; onNews: OnNews }) {
  const [after, setAfter] = useState<string | null>(null);
  const [{ data, error, fetching }, fetchAgain] = useQuery({
    query: TasksDocument,
    variables: { status, after },
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
          <TaskItem key={task.id} task={task} onNews={onNews} />
        ))}
      </ul>
      {tasks?.length === 0 && !page?.hasNextPage && <p className="empty">{WHEN_EMPTY[status]}</p>}
      {error && (
        <p role="alert" className="error">
          {sentence(error)}{" "}
          <button onClick={() => fetchAgain({ requestPolicy: "network-only" })}>Try again</button>
        </p>
      )}
      {page?.hasNextPage && !error && (
        <More key={page.endCursor} onSeen={() => setAfter(page.endCursor)} />
      )}
    </>
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
