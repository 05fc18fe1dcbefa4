// The follower of the feed, by a server that answers as each test wants.
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { createServer } from "node:http";
import WebSocket, { WebSocketServer } from "ws";

import { follow } from "../dist/follow.js";

/** Closed before it is open, it says so to nobody: browsers' own do not. */
class Socket extends WebSocket {
  constructor(...given) {
    super(...given);
    this.on("error", () => {});
  }
}

const open = [];
afterEach(() => open.splice(0).forEach((close) => close()));

/** A feed of numbered changes: its cursors are how many of them there were. */
class Feed {
  changes = [];
  isOver = () => false;
  /** What a socket meets: "follow", a code to close with, "silent", or "refused". */
  sockets = [];
  asked = [];
  tokens = 0;
  pages = [];
  states = [];

  static async start(sockets = []) {
    const feed = new Feed();
    feed.sockets = sockets;
    feed.server = new WebSocketServer({ port: 0, handleProtocols: () => "graphql-transport-ws" });
    feed.server.on("connection", (socket) => feed.meet(socket));
    await new Promise((resolve) => feed.server.on("listening", resolve));
    return feed;
  }

  add(...titles) {
    for (const title of titles) {
      const version = this.changes.length + 1;
      this.changes.push({ kind: "TASK", id: title, version, node: null });
    }
    this.onAdd?.();
  }

  meet(socket) {
    const way = this.sockets.shift() ?? "follow";
    if (way === "silent") return;
    socket.on("message", (text) => {
      const { type, id, payload } = JSON.parse(text);
      const send = (message) => socket.send(JSON.stringify(message));
      if (type === "ping" && way !== "deaf") send({ type: "pong" });
      if (type === "connection_init") {
        this.token = payload.Authorization;
        if (typeof way === "number") return socket.close(way);
        send({ type: "connection_ack" });
      }
      if (type !== "subscribe") return;
      if (way === "expired") return send({ type: "error", id, payload: [{ message: "", extensions: { code: "CURSOR_EXPIRED" } }] });
      let after = Number(payload.variables.after);
      this.onAdd = () => {
        for (; after < this.changes.length; after++) {
          const changes = { cursor: String(after + 1), node: this.changes[after] };
          send({ type: "next", id, payload: { data: { changes } } });
        }
      };
      this.onAdd();
      this.onSubscribed?.(socket);
    });
  }

  async request(_, { after, first }) {
    this.asked.push(after);
    if (this.isAway) throw new Error("away");
    const reset = after === null || this.isOver();
    const start = reset ? 0 : Number(after);
    const nodes = this.changes.slice(start, start + Math.min(first, this.pageSize ?? first));
    const end = start + nodes.length;
    const pageInfo = { endCursor: String(end), hasNextPage: end < this.changes.length };
    return { changes: { reset, nodes, pageInfo } };
  }

  follow(options = {}) {
    const follower = follow({
      url: `http://127.0.0.1:${this.server.address().port}/graphql`,
      client: {
        request: (...given) => this.request(...given),
        token: async () => `token ${this.tokens}`,
        renew: () => this.tokens++,
      },
      after: null,
      onPage: async (page) => void this.pages.push(page),
      onState: (state) => this.states.push(state),
      webSocketImpl: Socket,
      ...options,
    });
    open.push(() => {
      follower.stop();
      this.server.close();
      for (const socket of this.server.clients) socket.terminate();
    });
    return follower;
  }

  ids() {
    return this.pages.flatMap(({ changes }) => changes.map(({ id }) => id));
  }
}

async function until(isSo) {
  const end = Date.now() + 20_000;
  while (!isSo()) {
    assert.ok(Date.now() < end, "it never came to be");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test("first come the pages, then each change", async () => {
  const feed = await Feed.start();
  feed.pageSize = 2;
  feed.add("a", "b", "c");
  feed.follow();
  await until(() => feed.states.at(-1)?.isLive);
  assert.deepEqual(feed.pages.map(({ cursor, isReset, isLast }) => [cursor, isReset, isLast]), [
    ["2", true, false],
    ["3", false, true],
  ]);
  feed.add("d");
  await until(() => feed.ids().length === 4);
  assert.deepEqual(feed.ids(), ["a", "b", "c", "d"]);
  assert.equal(feed.pages.at(-1).cursor, "4");
});

test("it goes on from the cursor that is kept", async () => {
  const feed = await Feed.start();
  feed.add("a", "b", "c");
  feed.follow({ after: "2" });
  await until(() => feed.ids().length === 1);
  assert.deepEqual(feed.ids(), ["c"]);
});

for (const code of [1006, 1011, 1012, 1013]) {
  test(`after ${code} it comes again, and misses nothing`, async () => {
    const feed = await Feed.start();
    feed.follow();
    feed.onSubscribed = (socket) => {
      feed.onSubscribed = undefined;
      if (code === 1006) socket.terminate();
      else socket.close(code);
      feed.onAdd = undefined;
      feed.add("missed");
    };
    await until(() => feed.ids().length === 1);
    await until(() => feed.states.at(-1)?.isLive);
    feed.add("later");
    await until(() => feed.ids().length === 2);
    assert.deepEqual(feed.ids(), ["missed", "later"]);
  });
}

test("after 4403 it comes with another token", async () => {
  const feed = await Feed.start([4403]);
  feed.follow();
  await until(() => feed.states.at(-1)?.isLive);
  assert.equal(feed.token, "Bearer token 1");
});

test("a cursor that is too old brings the whole set", async () => {
  const feed = await Feed.start(["expired"]);
  feed.add("a");
  let asked = 0;
  feed.isOver = () => ++asked === 2;
  feed.follow({ after: "1" });
  await until(() => feed.pages.length === 2);
  assert.deepEqual(feed.pages.map(({ isReset, changes }) => [isReset, changes.length]), [
    [false, 0],
    [true, 1],
  ]);
});

test("a socket that says nothing is asked, and given up", async () => {
  const feed = await Feed.start(["silent", "deaf", "follow"]);
  feed.follow({ silence: 60 });
  await until(() => feed.asked.length === 3);
  await until(() => feed.states.at(-1)?.isLive);
});

test("one that answers stays", async () => {
  const feed = await Feed.start();
  feed.follow({ silence: 40 });
  await until(() => feed.states.at(-1)?.isLive);
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual([feed.asked.length, feed.server.clients.size], [1, 1]);
});

test("where no socket can be had, the pages are read again", async () => {
  const feed = await Feed.start();
  const proxy = createServer((_, response) => response.end()).listen(0);
  await new Promise((resolve) => proxy.on("listening", resolve));
  feed.follow({ url: `http://127.0.0.1:${proxy.address().port}/graphql` });
  await until(() => feed.asked.length === 1);
  feed.add("a");
  await until(() => feed.ids().length === 1);
  assert.ok(feed.states.every(({ isOnline, isLive }) => isOnline && !isLive));
  proxy.close();
});

test("a nudge ends the wait, also one that comes while a request is under way", async () => {
  const feed = await Feed.start();
  feed.isAway = true;
  const follower = feed.follow();
  follower.nudge();
  await until(() => feed.asked.length > 5 || (follower.nudge(), false));
  feed.isAway = false;
  follower.nudge();
  await until(() => feed.states.at(-1)?.isLive);
});

test("what could not be kept is read again, and nothing behind it is kept", async () => {
  const feed = await Feed.start();
  let isFull = false;
  feed.follow({
    async onPage(page) {
      if (isFull && page.changes.length) throw new Error("no room");
      feed.pages.push(page);
    },
  });
  await until(() => feed.states.at(-1)?.isLive);
  isFull = true;
  feed.add("a");
  await new Promise((resolve) => setTimeout(resolve, 6));
  feed.add("b");
  await until(() => feed.asked.length > 1);
  isFull = false;
  await until(() => feed.ids().length === 2);
  assert.deepEqual(feed.ids(), ["a", "b"]);
});

test("who has stopped hears nothing more", async () => {
  const feed = await Feed.start();
  const follower = feed.follow();
  await until(() => feed.states.at(-1)?.isLive);
  follower.stop();
  feed.add("a");
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(feed.ids(), []);
  assert.equal(feed.states.at(-1).isLive, true);
});
