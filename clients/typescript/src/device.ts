/**
 * All that one person has on one device: what is kept, the queue, and who follows and sends.
 *
 * Of several windows one leads: the one that holds the Web Lock. It follows the feed and sends the
 * queue, and the others hear of it by a BroadcastChannel. When it closes, or dies, the browser gives
 * the lock to another at once.
 *
 * Where there are no Web Locks, each window leads. That is safe, only more work for the server: an act
 * is sent in its place by whoever is first, and sent twice it is done once, by its key; a page of the
 * feed is kept only where it is newer. Where nothing can be kept, each window has a queue of its own,
 * and so leads, too.
 */

import { createTodoClient } from "./client.js";
import type { follow, Follower } from "./follow.js";
import { createIds } from "./ids.js";
import { createOutbox, type Outbox } from "./outbox.js";
import { KeptReplica, type News, type Replica } from "./replica.js";
import { trash } from "./schema/operations.js";
import { openStore } from "./store.js";
import { thingsIn } from "./things.js";

export interface DeviceOptions {
  /** The address of the API, `https://…/graphql`. */
  url: string;
  /** Fetches a token; null where nobody is signed in. It is kept until it is over. */
  token(): Promise<string | null>;
  /** The id of the person, as the token has it. */
  user: string;
  /** What the database on the device is called. */
  name?: string;
  fetch?: typeof globalThis.fetch;
  /** A WebSocket, where there is none. */
  webSocketImpl?: unknown;
}

export interface Device {
  outbox: Outbox;
  replica: Replica;
  /** Ids of new things. */
  ids: { task(): string; list(): string };
  /** Ask the server what is in the trash. */
  fetchTrash(): Promise<void>;
  close(): Promise<void>;
  /** Close, here and in the other windows, and leave nothing on the device. */
  forget(): Promise<void>;
}

type Message =
  | { kind: "things"; news: News }
  /** A window that was opened asks the one that leads how things go. */
  | { kind: "ask" }
  | { kind: "forget" }
  /** The queue's own. */
  | { kind: "outbox" };

/** Open what a person has on this device. It shows what is kept at once, without the network. */
export async function openDevice(options: DeviceOptions): Promise<Device> {
  const { url, token, user, name = `todo-${user}`, fetch, webSocketImpl } = options;
  const store = await openStore(name);
  const channel = store.isKept ? channelOf(name) : undefined;
  const ids = createIds();
  const client = createTodoClient({ url, token, user, fetch, onDate: ids.correct });

  let follower: Follower | undefined;
  const replica = new KeptReplica({
    store,
    entries: () => outbox.entries(),
    tell: (news) => channel?.postMessage({ kind: "things", news } satisfies Message),
  });
  const outbox = await createOutbox({
    store,
    client,
    ids,
    channel,
    onThings(put, gone, entry, version) {
      replica.answered(put, gone, entry, version);
      // The server is there again, and what followed is told by the feed alone.
      if (!replica.state().isLive) follower?.nudge();
    },
  });
  outbox.subscribe(replica.changed);
  const loaded = replica.load();
  channel?.addEventListener("message", (message) => void loaded.then(() => hear(message)));
  await loaded;
  channel?.postMessage({ kind: "ask" } satisfies Message);

  const leading = lead(store.isKept ? name : undefined, async () => {
    // The last words of the one that led before may have been missed.
    await Promise.all([replica.load(), outbox.reload()]);
    outbox.start();
    let isOver = false;
    void loadFollow(() => isOver).then((begin) => {
      if (begin && !isOver) follower = startFollowing(begin);
    });
    return async () => {
      isOver = true;
      follower?.stop();
      follower = undefined;
      replica.publish({ state: { isLive: false } });
      await outbox.stop();
    };
  });

  function startFollowing(begin: typeof follow): Follower {
    return begin({
      url,
      client,
      webSocketImpl,
      after: replica.state().cursor,
      onPage: (page) => replica.page(page),
      onState(state) {
        replica.publish({ state });
        outbox.setOnline(state.isOnline);
      },
    });
  }

  function hear({ data }: MessageEvent<Message>): void {
    if (data.kind === "things") replica.take(data.news);
    else if (data.kind === "forget") void close();
    else if (data.kind === "ask" && follower) replica.publish({ state: replica.state() });
  }

  async function fetchTrash(): Promise<void> {
    const found = [];
    let after = {};
    for (let hasMore = true; hasMore; ) {
      const { tasks, lists } = await client.request<any>(trash, { first: 100, ...after });
      found.push(...thingsIn([tasks.nodes, lists.nodes]));
      after = { tasksAfter: tasks.pageInfo.endCursor, listsAfter: lists.pageInfo.endCursor };
      hasMore = tasks.pageInfo.hasNextPage || lists.pageInfo.hasNextPage;
    }
    await replica.replaceTrash(found);
  }

  async function close(): Promise<void> {
    await leading.stop();
    channel?.close();
    store.close();
  }

  async function forget(): Promise<void> {
    channel?.postMessage({ kind: "forget" } satisfies Message);
    await close();
    await store.destroy();
  }

  return { outbox, replica, ids, fetchTrash, close, forget };
}

/** Milliseconds after which what could not be loaded is loaded again. */
const LOAD_AGAIN = 3_000;

/** What speaks by a socket is loaded apart: what is kept shows without it. */
async function loadFollow(isOver: () => boolean): Promise<typeof follow | undefined> {
  while (!isOver()) {
    try {
      return (await import("./follow.js")).follow;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, LOAD_AGAIN));
    }
  }
  return undefined;
}

/** Begin to lead as soon as no other window does; stop, and another one may. */
function lead(
  name: string | undefined,
  begin: () => Promise<() => Promise<void>>,
): { stop(): Promise<void> } {
  const locks = name === undefined ? undefined : globalThis.navigator?.locks;
  const waiting = new AbortController();
  let stop = () => {};
  const stopped = new Promise<void>((resolve) => (stop = resolve));
  const leadUntilStopped = async () => {
    if (waiting.signal.aborted) return;
    const end = await begin();
    await stopped;
    await end();
  };
  const done = locks
    ? locks.request(name!, { signal: waiting.signal }, leadUntilStopped)
    : leadUntilStopped();
  // Who stops before it is its turn never led.
  const ended = done.catch((error: unknown) => {
    if (!waiting.signal.aborted) throw error;
  });
  return {
    stop() {
      stop();
      waiting.abort();
      return ended;
    },
  };
}

function channelOf(name: string): BroadcastChannel | undefined {
  return globalThis.BroadcastChannel && new BroadcastChannel(name);
}
