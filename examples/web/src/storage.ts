// What is kept on the device: the cache, and each change until it has an answer.
import type { SerializedRequest } from "@urql/exchange-graphcache";
import { makeDefaultStorage } from "@urql/exchange-graphcache/default-storage";
import { stringifyDocument } from "urql";
import type { createChanges } from "./changes";

export function createStorage(name: string, changes: ReturnType<typeof createChanges>) {
  const kept = makeDefaultStorage({ idbName: name, maxAge: 365 });
  let queued: SerializedRequest[] = [];
  let isEmpty = true;

  /** Graphcache takes what it sends from its queue before there is an answer: the page might be closed until then. */
  function write() {
    const underWay = changes
      .underWay()
      .map(({ query, ...rest }) => ({ ...rest, query: stringifyDocument(query) }))
      .map(({ query, variables, extensions }) => ({ query, variables, extensions }));
    const all = [...underWay, ...queued];
    isEmpty = all.length === 0;
    kept.writeMetadata!(all);
  }
  changes.afterEach(() => isEmpty || write());

  return {
    storage: {
      ...kept,
      onOnline: changes.sendBy,
      writeMetadata(list: SerializedRequest[]) {
        queued = list;
        write();
      },
    },
    /** How many changes have no answer yet. */
    unsent: () => changes.underWay().length + queued.length,
    /** Leave nothing on the device. */
    clear: () => kept.clear(),
    /** Leave nothing but the changes that have no answer yet. */
    async clearCache() {
      await kept.clear();
      write();
      // Reading waits for the writing.
      await kept.readMetadata!();
    },
  };
}
