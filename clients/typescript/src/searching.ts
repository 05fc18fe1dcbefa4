/** Searches in what is seen: apart from the other views, for it is wanted later than these. */

import { isFound, queryFor, wordsIn } from "./search.js";
import { compareIds, type Task, type Things } from "./things.js";
import { live, once } from "./views.js";

/** Tasks with all these words: pending ones first, then the newest. Of nothing said, none. */
export function search(things: Things, said: string): Task[] {
  const query = queryFor(said);
  if (query.length === 0) return [];
  const found = live(things).filter((task) => isFound(wordsOf(task), query));
  return found.sort((a, b) => Number(a.completed) - Number(b.completed) || compareIds(b.id, a.id));
}

/** A task's words, made once: a change of it makes another task. */
const wordsOf = once(({ title, description, labels }: Task): string =>
  wordsIn([title, description ?? "", ...labels].join(" ")),
);
