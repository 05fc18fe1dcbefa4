"use client";

import { ApolloProvider, useMutation, useQuery, useSubscription } from "@apollo/client/react";
import { useState, type FormEvent } from "react";

import { client } from "@/lib/client";
import type { TaskListQuery, TaskPartsFragment } from "@/lib/gql/graphql";
import { AddTask, Follow, Start, TaskList, TickTask } from "@/lib/operations";
import { refusal } from "@/lib/todo";

function List({ initial }: { initial?: TaskListQuery["tasks"] }) {
  const [title, setTitle] = useState("");
  const [first, setFirst] = useState(20);
  const start = useQuery(Start);
  const list = useQuery(TaskList, { variables: { first }, skip: !start.data });
  const [addTask, added] = useMutation(AddTask, { refetchQueries: [TaskList] });
  const [tickTask, ticked] = useMutation(TickTask);
  const after = start.data?.changes.pageInfo.endCursor;
  useSubscription(Follow, {
    variables: { after },
    skip: !start.data,
    // A changed task shows by itself. Which lists it is in, and where, only the server knows.
    onData: () => client.refetchQueries({ include: [TaskList] }),
  });

  async function add(event: FormEvent) {
    event.preventDefault();
    setTitle("");
    // By its key it happens once, however often it is sent.
    const variables = { input: { title, idempotencyKey: crypto.randomUUID() } };
    const { data } = await addTask({ variables, errorPolicy: "all" });
    if (data?.createTask?.__typename !== "Task") setTitle(title);
  }

  function tick({ id, completed }: TaskPartsFragment) {
    const input = { id, completed: !completed, idempotencyKey: crypto.randomUUID() };
    return tickTask({ variables: { input }, errorPolicy: "all" });
  }

  // What the user can mend is data; all else is an error.
  const refused = refusal(added.data?.createTask, ticked.data?.updateTask);
  const failed = start.error ?? list.error ?? added.error ?? ticked.error;
  const { nodes = [], pageInfo } = (list.data ?? list.previousData)?.tasks ?? initial ?? {};
  return (
    <>
      <form onSubmit={add}>
        <input aria-label="What is to be done?" value={title} onChange={(e) => setTitle(e.target.value)} />
        <button>Add</button>
      </form>
      <p role="alert">{refused ?? failed?.message}</p>
      <ul>
        {nodes.map((task) => (
          <li key={task.id}>
            <label>
              <input type="checkbox" checked={task.completed} onChange={() => tick(task)} />
              {task.title}
            </label>
          </li>
        ))}
      </ul>
      {pageInfo?.hasNextPage && first < 100 && <button onClick={() => setFirst(first + 20)}>More</button>}
    </>
  );
}

/** The tasks: the first page of the server's until the browser has its own. */
export function Tasks({ initial }: { initial?: TaskListQuery["tasks"] }) {
  return (
    <ApolloProvider client={client}>
      <List initial={initial} />
    </ApolloProvider>
  );
}
