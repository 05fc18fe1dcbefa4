/**
 * Follows what changes on the server: what was missed by pages, then each change as it is made.
 *
 * The pages are read before each socket, also where no socket can be had: then they are all there is.
 */

import { createClient } from "graphql-ws";

import { feed, follow as subscription } from "./schema/operations.js";
import type { TodoClient } from "./client.js";
import type { Node } from "./things.js";

/** The latest change of a thing. */
export interface Change {
  kind: string;
  id: string;
  version: number;
  /** The thing as it is now; null where it is in the trash or gone. */
  node: Node | null;
}

export interface Page {
  changes: Change[];
  /** Where to go on. */
  cursor: string;
  /** Whether this page is the first of the whole set, in place of what was known. */
  isReset: boolean;
  /** Whether nothing more is known after this page. */
  isLast: boolean;
}

export interface FollowOptions {
  /** The address of the API, `https://…/graphql`. */
  url: string;
  /** Sends by HTTP, and knows the token. */
  client: Pick<TodoClient, "request" | "token" | "renew">;
  /** Where to go on; null for the beginning. */
  after: string | null;
  /** Keeps a page with its cursor. The next one comes once it is done. */
  onPage(page: Page): Promise<void>;
  /** Tells whether the server can be reached, and whether changes come as they are made. */
  onState?(state: { isOnline: boolean; isLive: boolean }): void;
  /** A WebSocket, where there is none. */
  webSocketImpl?: unknown;
  /** Milliseconds in which a silent socket is asked, and after as many more given up. */
  silence?: number;
}

export interface Follower {
  /** Try at once, where it waits; ask the socket whether it is there. */
  nudge(): void;
  stop(): void;
}

const PAGE = 500;
const [LONGEST_WAIT, LONGEST_POLL] = [30_000, 15_000];

export function follow(options: FollowOptions): Follower {
  const following = new Following(options);
  const nudge = () => following.nudge();
  const look = () => document.visibilityState === "visible" && nudge();
  // A socket of a network that went away does not say so: the next one asks what was missed.
  const lose = () => following.lose();
  globalThis.addEventListener?.("online", nudge);
  globalThis.addEventListener?.("offline", lose);
  globalThis.document?.addEventListener("visibilitychange", look);
  void following.run();
  return {
    nudge,
    stop() {
      globalThis.removeEventListener?.("online", nudge);
      globalThis.removeEventListener?.("offline", lose);
      globalThis.document?.removeEventListener("visibilitychange", look);
      following.stop();
    },
  };
}

class Following {
  #options: FollowOptions;
  #cursor: string | null;
  #failures = 0;
  #isStopped = false;
  #isUrgent = false;
  #remember = () => {
    this.#isUrgent = true;
  };
  /** What a nudge does just now: while a request is under way, it is remembered. */
  #nudged = this.#remember;
  #closeSocket = () => {};

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#cursor = options.after;
  }

  nudge(): void {
    this.#nudged();
  }

  lose(): void {
    this.#closeSocket();
    this.#tell(false, false);
  }

  stop(): void {
    this.#isStopped = true;
    this.#closeSocket();
    this.#nudged();
  }

  async run(): Promise<void> {
    while (!this.#isStopped) {
      let longest = LONGEST_WAIT;
      let reason: any;
      try {
        await this.#catchUp();
        longest = LONGEST_POLL;
        reason = await this.#listen();
      } catch (error) {
        reason = error;
      }
      if (this.#isStopped) return;
      this.#tell(longest === LONGEST_POLL, false);
      await this.#pause(reason, longest);
    }
  }

  /** Read the pages after the cursor. A cursor that is too old brings the whole set. */
  async #catchUp(): Promise<void> {
    for (let isLast = false; !isLast && !this.#isStopped; ) {
      const variables = { after: this.#cursor, first: PAGE };
      const { reset, nodes, pageInfo } = (await this.#options.client.request<any>(feed, variables)).changes;
      isLast = !pageInfo.hasNextPage;
      await this.#keep({ changes: nodes, cursor: pageInfo.endCursor, isReset: reset, isLast });
    }
  }

  async #keep(page: Page): Promise<void> {
    if (this.#isStopped) return;
    await this.#options.onPage(page);
    this.#cursor = page.cursor;
  }

  /** Follow by one socket until it ends; return why it did. */
  async #listen(): Promise<unknown> {
    const { url, client: http, webSocketImpl, silence = 10_000 } = this.#options;
    let end!: (reason?: unknown) => void;
    const ended = new Promise<unknown>((resolve) => (end = resolve));
    const gathered = new Gathering((page) => this.#keep(page), end);
    let overdue: ReturnType<typeof setTimeout> | undefined;
    const expectWord = () => {
      clearTimeout(overdue);
      overdue = setTimeout(end, silence);
    };
    const client = createClient({
      url: url.replace(/^http/, "ws"),
      webSocketImpl,
      retryAttempts: 0,
      keepAlive: silence,
      connectionParams: async () => ({ Authorization: `Bearer ${await http.token()}` }),
      on: {
        connected: (socket) => {
          clearTimeout(overdue);
          this.#tell(true, true);
          this.#nudged = () => {
            (socket as WebSocket).send('{"type":"ping"}');
            expectWord();
          };
        },
        ping: (isReceived) => isReceived || expectWord(),
        pong: () => {
          clearTimeout(overdue);
          this.#failures = 0;
        },
      },
    });
    this.#closeSocket = end;
    // A proxy may take the socket and never say a word, and a browser refuse to open one.
    expectWord();
    client.subscribe(
      { query: subscription, variables: { after: this.#cursor } },
      {
        next: ({ data, errors }: any) => {
          if (!data) return end(errors);
          this.#failures = 0;
          gathered.add(data.changes);
        },
        error: end,
        complete: end,
      },
    );
    const reason = await ended;
    clearTimeout(overdue);
    this.#nudged = this.#remember;
    client.terminate();
    await gathered.done;
    return reason;
  }

  /** Wait for longer each time, and not all clients in the same moment. */
  #pause(reason: any, longest: number): Promise<void> {
    const isFirst = this.#failures === 0;
    const wait = Math.min(250 * 2 ** this.#failures++, longest) * (1 - Math.random() / 2);
    const isTokenOver = reason?.code === 4403;
    if (isTokenOver) this.#options.client.renew();
    const isAtOnce = this.#isUrgent || (isFirst && (isTokenOver || isExpired(reason)));
    this.#isUrgent = false;
    return new Promise((resolve) => {
      const goOn = () => {
        clearTimeout(timer);
        this.#nudged = this.#remember;
        resolve();
      };
      const timer = setTimeout(goOn, isAtOnce ? 0 : wait);
      this.#nudged = goOn;
    });
  }

  #tell(isOnline: boolean, isLive: boolean): void {
    if (!this.#isStopped) this.#options.onState?.({ isOnline, isLive });
  }
}

/** Changes of the same moment, which are kept together: a parent and its subtasks, for one. */
class Gathering {
  /** Resolves when all is kept that can be. */
  done: Promise<void> = Promise.resolve();
  #edges: { cursor: string; node: Change }[] = [];
  #kept: Promise<void> = Promise.resolve();
  #keep: (page: Page) => Promise<void>;
  #onFailure: (error: unknown) => void;

  constructor(keep: (page: Page) => Promise<void>, onFailure: (error: unknown) => void) {
    this.#keep = keep;
    this.#onFailure = onFailure;
  }

  add(edge: { cursor: string; node: Change }): void {
    if (this.#edges.push(edge) > 1) return;
    // Where one could not be kept, no later one is: its cursor would pass that over.
    this.#kept = this.#kept.then(() => this.#keepAll());
    this.done = this.#kept.catch((error) => this.#onFailure(error));
  }

  async #keepAll(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 4));
    const edges = this.#edges.splice(0);
    const changes = edges.map(({ node }) => node);
    await this.#keep({ changes, cursor: edges.at(-1)!.cursor, isReset: false, isLast: true });
  }
}

function isExpired(reason: any): boolean {
  return Array.isArray(reason) && reason[0]?.extensions?.code === "CURSOR_EXPIRED";
}
