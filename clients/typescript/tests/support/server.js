// An API that knows keys, ids and versions, as far as a queue can tell; what comes between, tests put in its way.
import { json, problem } from "./answers.js";
import { time } from "./clock.js";

const DAY = 86_400_000;

export class FakeServer {
  tasks = new Map();
  version = 0;
  /** What was done, in order: an operation and its title or id. */
  done = [];
  /** All requests, as they came in. */
  requests = [];
  tokens = new Set(["token"]);
  keys = new Map();
  /** Called with the next requests, one after the other, instead of the API; given what asks that. */
  faults = [];
  /** Called with each request that no fault is for. */
  always;
  keyLife = 7 * DAY;

  fetch = async (_url, { body, headers, signal }) => {
    const request = JSON.parse(body);
    this.requests.push(request);
    const token = headers.authorization.replace("Bearer ", "");
    const ask = () => (this.tokens.has(token) ? this.answer(request) : json(problem("UNAUTHENTICATED"), 401));
    const fault = this.faults.shift() ?? this.always;
    return fault ? fault(ask, { request, signal }) : ask();
  };

  answer({ query, variables }) {
    const operation = /^(?:mutation|query) (\w+)/.exec(query)[1];
    if (operation === "isWell") return json({ data: { me: { id: "me" } } });
    return json({ data: { outcome: this.once(operation, variables.input) } });
  }

  once(operation, { idempotencyKey: key, ...input }) {
    const known = this.keys.get(key);
    if (known && time() - known.at < this.keyLife) return known.outcome;
    const outcome = this.do(operation, input, key);
    this.keys.set(key, { outcome, at: time() });
    return outcome;
  }

  do(operation, input) {
    const task = this.tasks.get(input.id);
    if (operation === "createTask") {
      if (!/^3|^L/.test(input.id)) return invalid(["id"], "INVALID");
      if (task) return invalid(["id"], "TAKEN");
      if (!input.title) return invalid(["title"], "TOO_SHORT");
      return this.write(operation, { __typename: "Task", description: null, completed: false, position: "a", ...input });
    }
    if (operation === "undo") return this.note(operation, input.actionKey, { __typename: "UndoSuccess", changed: [], changedCount: 1 });
    if (!task || task.deletedAt) return { __typename: "TaskNotFound", message: "There is no such task." };
    if (input.expectedVersion !== undefined && input.expectedVersion !== task.version) {
      return { __typename: "VersionConflict", message: "It has changed.", current: task };
    }
    const { expectedVersion: _, today: __, ...fields } = input;
    if (operation !== "deleteTask") return this.write(operation, { ...task, ...fields });
    const { version } = this.write(operation, { ...task, deletedAt: "2026-01-01T00:00:00.000000Z" });
    return { __typename: "DeleteTaskSuccess", deletedTaskId: input.id, version };
  }

  write(operation, task) {
    const written = { ...task, version: ++this.version };
    this.tasks.set(task.id, written);
    return this.note(operation, task.id, written);
  }

  note(operation, id, outcome) {
    this.done.push(`${operation} ${id}`);
    return outcome;
  }
}

function invalid(path, code) {
  return { __typename: "InvalidInput", message: "It cannot be used.", issues: [{ path, code, message: code }] };
}
