/** For Relay: what is new is put into a connection, if it is there. */

import { ConnectionHandler, type RecordSourceSelectorProxy } from "relay-runtime";

/**
 * An `updater` that appends what a mutation has made. Results are unions, and `@appendNode` on one would append an `InvalidInput`
 * as well: a row without an id.
 *
 * @param connectionId Of `ConnectionHandler.getConnectionID`, or `__id` of the connection.
 * @param typeName The outcome that is appended, such as `Task`.
 * @param edgeName The type of the connection's edges, such as `TaskEdge`.
 * @param field The field of the mutation, where it has an alias or is not the only one.
 */
export function appendOutcome(connectionId: string, typeName: string, edgeName: string, field?: string) {
  return (store: RecordSourceSelectorProxy, data?: unknown): void => {
    const name = field ?? Object.keys(data ?? {})[0];
    const made = name === undefined ? undefined : store.getRootField(name as never);
    const connection = store.get(connectionId);
    if (!made || !connection || made.getType() !== typeName) return;
    const edge = ConnectionHandler.createEdge(store, connection, made, edgeName);
    ConnectionHandler.insertEdgeAfter(connection, edge);
  };
}
