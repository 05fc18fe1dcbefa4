/** Sends the queue: strictly in order, one change under way, each until its answer is final. */

import type { Entry, Refused } from "./acts.js";
import { createdBy, FORMAT, isAsSeen, nextSeq, reconciled, renamed, renewed, upon } from "./entries.js";
import { codesOf, fateOf, type Answer, type Issue } from "./outcomes.js";
import { settled } from "./overlay.js";
import type { Queue } from "./queue.js";
import { grownWait } from "./repeating.js";
import * as documents from "./schema/operations.js";
import type { Transaction } from "./store.js";
import { thingOf, type Thing } from "./things.js";

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];

/** Failures by a fault of the server, after which a change is set aside if others are well. */
const FAULTS = 5;

export class Sender {
  #queue: Queue;
  #running: Promise<void> | undefined;
  #stopping = new AbortController();
  /** Ends the wait that is under way. */
  #goOn = () => {};
  #isIdle = false;
  /** Whether something has said that it may go now, while a request was under way. */
  #isUrgent = false;
  #failures = 0;
  /** The change that is tried, and how often it has met a fault of the server. */
  #faulty = { seq: 0, times: 0 };
  /** What is set aside and is to be tried once more. */
  #retried = new Set<number>();

  constructor(queue: Queue) {
    this.#queue = queue;
    queue.onWork = (isUrgent) => (isUrgent ? this.sendNow() : this.wake());
  }

  start = (): void => {
    if (this.#running) return;
    this.#stopping = new AbortController();
    this.#queue.isSender = true;
    this.#retryParked();
    this.#running = this.#run();
    globalThis.addEventListener?.("online", this.sendNow);
    globalThis.document?.addEventListener("visibilitychange", this.#look);
  };

  stop = async (): Promise<void> => {
    globalThis.removeEventListener?.("online", this.sendNow);
    globalThis.document?.removeEventListener("visibilitychange", this.#look);
    this.#stopping.abort();
    this.#goOn();
    await this.#running;
    this.#running = undefined;
    this.#queue.isSender = false;
  };

  /** There is something to send; what waits for the server goes on waiting. */
  wake = (): void => {
    if (this.#isIdle) this.#goOn();
  };

  sendNow = (): void => {
    if (!this.#queue.isSender) return this.#queue.post({ kind: "outbox", do: "send" });
    this.#retryParked();
    this.#isUrgent = true;
    this.#goOn();
  };

  setOnline = (isOnline: boolean): void => {
    // Who is connected is signed in.
    this.#queue.become({ isOnline, ...(isOnline && { isSignedOut: false }) });
    if (isOnline && this.#queue.isSender) this.sendNow();
  };

  #look = (): void => {
    if (document.visibilityState === "visible") this.sendNow();
  };

  #retryParked() {
    this.#retried = new Set(this.#queue.entries.flatMap(({ seq, parked }) => (parked ? seq : [])));
  }

  async #run() {
    await this.#queue.reload();
    this.#retryParked();
    while (!this.#stopping.signal.aborted) {
      const entry = this.#next();
      if (!entry) {
        this.#queue.become({ isSending: false });
        this.#isIdle = true;
        await this.#rest();
        this.#isIdle = false;
        continue;
      }
      if (globalThis.navigator?.onLine === false && !this.#isUrgent) {
        // What was never tried can be taken back, and put together. Browsers err at times, so it is tried in the end.
        this.#queue.become({ isSending: false, isOnline: false });
        await this.#rest(MINUTE);
        this.#isUrgent = true;
        continue;
      }
      this.#isUrgent = false;
      // What cannot be written now is as if it was not answered.
      const wait = await this.#send(entry).catch((error) => {
        globalThis.reportError?.(error);
        return grownWait(++this.#failures);
      });
      if (wait === 0 || this.#stopping.signal.aborted) continue;
      this.#queue.become({ isSending: false });
      if (!this.#isUrgent) await this.#rest(wait);
    }
    this.#queue.become({ isSending: false });
  }

  /** The first that can be sent; when there is none, one of those that are set aside. */
  #next(): Entry | undefined {
    const { entries, stuck } = this.#queue;
    return (
      entries.find(({ seq }) => !stuck.has(seq)) ??
      entries.find(({ seq, parked, format }) => parked && format === FORMAT && this.#retried.has(seq))
    );
  }

  /** Wait so many milliseconds, or until something happens. */
  #rest(milliseconds = Infinity): Promise<void> {
    return new Promise((resolve) => {
      const timer = milliseconds === Infinity ? undefined : setTimeout(resolve, milliseconds);
      this.#goOn = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Send one change, and keep what comes of it; returns the milliseconds to wait afterwards. */
  async #send({ seq }: Entry): Promise<number> {
    this.#queue.become({ isSending: true });
    const entry = await this.#begin(seq);
    if (!entry) return 0;
    const variables = { input: { ...entry.input, idempotencyKey: entry.key } };
    const answer = await this.#queue.options.client.ask(documents[entry.operation], variables, { signal: this.#stopping.signal });
    if (this.#stopping.signal.aborted && answer.status === 0) return 0;
    const outcome = answer.body?.data?.outcome;
    const fate = fateOf(answer, outcome, entry);
    this.#queue.become({ isOnline: answer.status !== 0, isSignedOut: fate === "token" });
    if (fate === "token") return Infinity;
    if (fate === "again") return this.#failed(entry, answer);
    this.#failures = 0;
    await this.#finish(entry, answer, outcome, fate);
    return 0;
  }

  /** Note that a change is about to be sent: from now on it may have been done. */
  #begin(seq: number): Promise<Entry | undefined> {
    const { keyLife = 7 * DAY } = this.#queue.options;
    return this.#queue.write(async (transaction) => {
      const entry = await transaction.get("entries", seq);
      if (!entry) return undefined;
      const now = Date.now();
      const isKeyOver = entry.firstTriedAt !== null && now - entry.firstTriedAt > keyLife - HOUR;
      // A creation happens once by its own id.
      const current = isKeyOver && createdBy(entry).length === 0 ? await this.#underNewKey(transaction, entry) : entry;
      const begun = await upToDate(transaction, current);
      const tried = { ...begun, tries: begun.tries + 1, firstTriedAt: begun.firstTriedAt ?? now };
      await transaction.put("entries", tried);
      return tried;
    });
  }

  async #underNewKey(transaction: Transaction, entry: Entry): Promise<Entry> {
    const other = renewed(entry);
    await this.#queue.rename(transaction, entry.key, other.key);
    return other;
  }

  async #failed(entry: Entry, answer: Answer): Promise<number> {
    this.#failures += 1;
    const { seq } = entry;
    const times = this.#faulty.seq === seq ? this.#faulty.times : 0;
    if (isFaultOfThis(answer)) {
      this.#faulty = { seq, times: times + 1 };
      const isHopeless = entry.parked ? this.#retried.delete(seq) : times + 1 >= FAULTS;
      if (isHopeless && (await this.#isWell())) {
        await this.#park(entry, codesOf(answer)[0] ?? String(answer.status));
        return 0;
      }
    }
    return answer.retryAfter ?? grownWait(this.#failures);
  }

  /** Whether the server is well otherwise. */
  async #isWell(): Promise<boolean> {
    const { status, body } = await this.#queue.options.client.ask(documents.isWell, {}, { signal: this.#stopping.signal });
    return status === 200 && !body?.errors;
  }

  async #park(entry: Entry, parked: string) {
    this.#failures = 0;
    this.#faulty = { seq: 0, times: 0 };
    await this.#queue.write(async (transaction) => {
      if (await transaction.get("entries", entry.seq)) await transaction.put("entries", { ...entry, parked });
    });
  }

  /** Keep what a final answer says, in the one transaction in which its change leaves the queue. */
  async #finish(entry: Entry, answer: Answer, outcome: any, fate: "done" | "conflict" | "told") {
    await this.#queue.write(
      async (transaction) => {
        await transaction.delete("entries", entry.seq);
        if (fate === "done") return this.#done(transaction, entry, outcome);
        const current = thingOf(outcome?.current);
        if (fate === "conflict" && current) await this.#conflict(transaction, entry, current, outcome.message);
        else if (!(await this.#renameIds(transaction, entry, outcome))) {
          await transaction.put("refused", refusal(entry, answer, outcome, current));
        }
        const put = await keep(transaction, current ? [current] : []);
        return { put, gone: [] as string[] };
      },
      ({ put, gone, version, done }: Finished) => this.#queue.options.onThings?.(put, gone, done, version),
    );
  }

  async #done(transaction: Transaction, entry: Entry, outcome: any): Promise<Finished> {
    const deleted = outcome?.deletedTaskId ?? outcome?.deletedListId;
    const kept = deleted && (await transaction.get("things", deleted));
    const { put: told, gone, version } = settled(entry, outcome, kept);
    const put = await keep(transaction, told);
    for (const id of gone) await transaction.delete("things", id);
    // More is in the trash than goes at once.
    if (outcome?.hasMore) await transaction.put("entries", renewed(entry));
    return { put, gone, version, done: entry };
  }

  /** Send again what only this person has changed; what both have changed, only they can decide. */
  async #conflict(transaction: Transaction, entry: Entry, current: Thing, message: string) {
    const { again, disputed } = reconciled(entry, current);
    if (again) await transaction.put("entries", await this.#underNewKey(transaction, again));
    if (!disputed) return;
    const seq = again ? await nextSeq(transaction) : entry.seq;
    const code = current.kind === "TASK" ? "VersionConflict" : "ListVersionConflict";
    const what = { ...disputed.entry, seq };
    await transaction.put("refused", { seq, entry: what, at: Date.now(), code, message, current, fields: disputed.fields });
  }

  /** Make ids anew that are not of this time, for the clock was wrong; false where that is not what is wrong. */
  async #renameIds(transaction: Transaction, entry: Entry, outcome: any): Promise<boolean> {
    const wrong = createdBy(entry).filter((_, place) => isIdWrong(entry, place, outcome?.issues ?? []));
    if (wrong.length === 0 || entry.isRenamed) return false;
    const { ids } = this.#queue.options;
    const names = wrong.map((id) => [id, id.startsWith("L") ? ids.list() : ids.task()] as const);
    const other = await this.#underNewKey(transaction, { ...entry, isRenamed: true });
    for (const each of [other, ...(await transaction.all("entries"))]) {
      await transaction.put("entries", names.reduce((all, [from, to]) => renamed(all, from, to), each));
    }
    return true;
  }
}

interface Finished {
  put: Thing[];
  gone: string[];
  version?: number | undefined;
  done?: Entry;
}

/** Whether an answer may be due to this change alone: a fault, or a page by something that does not let it pass. */
function isFaultOfThis(answer: Answer): boolean {
  const { status, body } = answer;
  if (status === 500 || codesOf(answer).includes("INTERNAL_SERVER_ERROR")) return true;
  return !body && status >= 400 && status < 500 && ![401, 408, 425, 429].includes(status);
}

function isIdWrong({ operation }: Entry, place: number, issues: readonly Issue[]): boolean {
  const path = operation === "createTasks" ? `tasks.${place}.id` : "id";
  return issues.some((issue) => issue.code === "INVALID" && issue.path.join(".") === path);
}

/** A change that was never sent, upon the newest version that is known, if that is as the person saw it. */
async function upToDate(transaction: Transaction, entry: Entry): Promise<Entry> {
  const { id, expectedVersion } = entry.input as { id?: string; expectedVersion?: number };
  if (entry.tries > 0 || expectedVersion === undefined || id === undefined) return entry;
  const known = await transaction.get("things", id);
  return known && known.version > expectedVersion && isAsSeen(entry, known) ? upon(known, entry) : entry;
}

/** Keep things, unless newer ones are kept; returns those that are not gone by now. */
async function keep(transaction: Transaction, things: readonly Thing[]): Promise<Thing[]> {
  const feed = (await transaction.get("values", "cursor"))?.value as { version?: number } | undefined;
  const there: Thing[] = [];
  for (const thing of things) {
    const known = await transaction.get("things", thing.id);
    // What the feed has passed, and is not here, it has told to be gone.
    if (!known && !thing.deletedAt && thing.version <= (feed?.version ?? 0)) continue;
    if (!known || known.version < thing.version) await transaction.put("things", thing);
    there.push(thing);
  }
  return there;
}

function refusal(entry: Entry, answer: Answer, outcome: any, current?: Thing): Refused {
  const { seq } = entry;
  const problem = answer.body?.errors?.[0];
  const code = outcome?.__typename ?? problem?.extensions?.code ?? String(answer.status);
  const message = outcome?.message ?? problem?.message ?? "";
  return { seq, entry, at: Date.now(), code, message, ...(outcome?.issues && { issues: outcome.issues }), ...(current && { current }) };
}
