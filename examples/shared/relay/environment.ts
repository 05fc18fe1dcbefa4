/** Relay: the network, the store, and what an updater does. */
import {
  ConnectionHandler,
  Environment,
  Network,
  Observable,
  RecordSource,
  Store,
  type RecordProxy,
  type RecordSourceProxy,
} from "relay-runtime";

import { follow, todoFetch } from "./todo";
import { url } from "./token";

// What `node` finds. A `Change` has the id of what has changed, and must not be kept under it.
const NODES = ["Task", "TaskList"];

export const environment = new Environment({
  network: Network.create(
    async ({ text }, variables) => {
      const headers = { "Content-Type": "application/json" };
      const body = JSON.stringify({ query: text, variables });
      return (await todoFetch(url, { method: "POST", headers, body })).json();
    },
    ({ text }, variables) =>
      Observable.create((sink) => follow({ query: text!, variables }, sink as never)),
  ),
  store: new Store(new RecordSource()),
  getDataID: ({ id }, type) => (NODES.includes(type) ? id : null),
});

/** Puts a task at the top of the list, unless it is there, or is no task but an outcome. */
export function show(store: RecordSourceProxy, list: string, task?: RecordProxy | null) {
  const connection = store.get(list);
  if (!connection || task?.getType() !== "Task") return;
  const edges = connection.getLinkedRecords("edges") ?? [];
  if (edges.some((edge) => edge.getLinkedRecord("node") === task)) return;
  const edge = ConnectionHandler.createEdge(store, connection, task, "TaskEdge");
  ConnectionHandler.insertEdgeBefore(connection, edge);
}
