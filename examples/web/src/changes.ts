// Changes are sent one after another, in the order in which they were made, and again until the server has answered.
import {
  makeErrorResult,
  type CombinedError,
  type Exchange,
  type Operation,
  type OperationResult,
} from "urql";
import { filter, fromArray, makeSubject, merge, mergeMap, pipe } from "wonka";
import { isTemporary } from "./failures";

/** Seconds after the first failure, and at most; in between they double. */
const [FIRST_WAIT, LONGEST_WAIT] = [2, 60];

export function createChanges() {
  const listeners = new Set<() => void>();
  let sendKept = () => {};
  let failures = 0;
  let wait: ReturnType<typeof setTimeout> | undefined;
  const waiting: Operation[] = [];
  let onAnswer = () => {};

  function goOn() {
    clearTimeout(wait);
    wait = undefined;
    sendKept();
  }

  /** Send nothing more for now: what comes later must not overtake what has failed. */
  function rest(error: CombinedError) {
    const asked = Number(error.response?.headers.get("Retry-After"));
    const grown = Math.min(FIRST_WAIT * 2 ** failures, LONGEST_WAIT) * (0.5 + Math.random());
    failures += 1;
    clearTimeout(wait);
    wait = setTimeout(goOn, 1000 * (asked || grown));
    for (const listener of listeners) listener();
  }

  /** To be placed below Graphcache's `offlineExchange`. */
  const exchange: Exchange =
    ({ forward }) =>
    (operations) => {
      const { source: released, next: release } = makeSubject<Operation>();
      const { source: deferred, next: defer } = makeSubject<OperationResult>();
      const atOnce = filter((operation: Operation) => {
        if (operation.kind !== "mutation") return true;
        if (wait && isKept(operation)) {
          defer(deferring(operation));
          return false;
        }
        return waiting.push(operation) === 1;
      });
      const releaseNext = mergeMap((result: OperationResult) => {
        const { operation, error } = result;
        if (operation.kind !== "mutation") return fromArray([result]);
        waiting.shift();
        let behind: Operation[] = [];
        if (isKept(operation) && error && isTemporary(error)) {
          rest(error);
          behind = waiting.filter(isKept);
          waiting.splice(0, Infinity, ...waiting.filter((other) => !isKept(other)));
        } else if (!error) failures = 0;
        onAnswer();
        if (waiting[0]) release(waiting[0]);
        return fromArray([result, ...behind.map(deferring)]);
      });
      return merge([pipe(merge([atOnce(operations), released]), forward, releaseNext), deferred]);
    };

  return {
    exchange,
    goOn,
    /** To be called with the function that sends all that is kept: Graphcache gives it to `storage.onOnline`. */
    sendBy(send: () => void) {
      sendKept = send;
    },
    /** The changes that are sent, or about to be, and have no answer yet. */
    underWay: () => waiting.filter(isKept),
    /** To be called with what is to be done whenever one of them has an answer. */
    afterEach(listener: () => void) {
      onAnswer = listener;
    },
    /** Send nothing any more. */
    stop() {
      clearTimeout(wait);
      sendKept = () => {};
    },
    /** What comes of a change, however late; `onKept` is called should it have to be sent again. */
    async answerTo<Result>(result: Promise<Result>, onKept: () => void): Promise<Result> {
      const listener = () => {
        listeners.delete(listener);
        onKept();
      };
      if (wait) listener();
      else listeners.add(listener);
      try {
        return await result;
      } finally {
        listeners.delete(listener);
      }
    },
  };
}

/** Whether Graphcache keeps a change that fails: it does so with what it shows before there is an answer. */
function isKept({ context }: Operation): boolean {
  return Boolean(context.optimistic);
}

/** Has Graphcache keep a change behind another one that has failed. */
function deferring(operation: Operation): OperationResult {
  return makeErrorResult(operation, new Error("Waits for the changes before it."));
}
