// Which row of a list is the current one, which are selected, and where the focus goes when a row leaves.
import { useCallback, useLayoutEffect, useRef, useState, type RefObject } from "react";
import { flushSync } from "react-dom";

export type Rows = {
  current: string | null;
  selected: ReadonlySet<string>;
  setCurrent(id: string): void;
  /** Bring a row into sight, and give it the focus. */
  focus(id: string | null): void;
  /** Focus the row so many places further on; the first one where there is none. */
  step(by: number): void;
  /** The same, with all rows on the way selected. */
  selectStep(by: number): void;
  select(id: string, how: "one" | "through"): void;
  selectAll(): void;
  selectNone(): void;
  /** The next row that stays when these leave. */
  after(ids: readonly string[]): string | null;
};

const NONE: ReadonlySet<string> = new Set();

/** `order` has the ids of all rows from top to bottom. `home` has the focus where no row is left. */
export function useRows(order: readonly string[], list: RefObject<HTMLElement | null>, home: RefObject<HTMLElement | null>): Rows {
  const [wanted, setCurrent] = useState<string | null>(null);
  const [selected, setSelected] = useState(NONE);
  const anchor = useRef<string | null>(null);
  const before = useRef(order);
  const hadFocus = useRef(false);

  // Rows leave by what is done here or elsewhere: then the current row is the next one that is still there.
  let current = wanted;
  if (wanted !== null && before.current !== order && !order.includes(wanted)) {
    current = neighbour(before.current, [wanted], new Set(order));
  }
  useLayoutEffect(() => {
    before.current = order;
    if (wanted !== current) setCurrent(current);
    if (selected.size) {
      const here = new Set(order);
      const left = new Set([...selected].filter((id) => here.has(id)));
      if (left.size !== selected.size) setSelected(left);
    }
    if (hadFocus.current && document.activeElement === document.body) {
      if (current && order.length) rowOf(list.current, current)?.focus();
      else home.current?.focus();
    }
  }, [order]);

  useLayoutEffect(() => {
    const look = () => {
      if (document.activeElement !== document.body) hadFocus.current = list.current?.contains(document.activeElement) ?? false;
    };
    const leave = ({ target }: Event) => {
      if (!list.current?.contains(target as Node)) hadFocus.current = false;
    };
    document.addEventListener("focusin", look);
    document.addEventListener("pointerdown", leave);
    return () => {
      document.removeEventListener("focusin", look);
      document.removeEventListener("pointerdown", leave);
    };
  }, [list]);

  const focus = useCallback(
    (id: string | null) => {
      if (id === null) return home.current?.focus();
      // A row far away comes into the page by being the current one.
      flushSync(() => setCurrent(id));
      const box = rowOf(list.current, id);
      box?.closest("[data-task-id]")?.scrollIntoView({ block: "nearest" });
      box?.focus({ preventScroll: true });
    },
    [list, home],
  );

  const target = (by: number) => {
    const at = current ? order.indexOf(current) : -1;
    const isIn = at >= 0 && list.current?.contains(document.activeElement);
    const to = at < 0 ? 0 : isIn ? at + by : at;
    return order[Math.max(0, Math.min(to, order.length - 1))];
  };

  function through(id: string) {
    const from = order.indexOf(anchor.current ?? current ?? id);
    const to = order.indexOf(id);
    return new Set(order.slice(Math.min(from, to), Math.max(from, to) + 1));
  }

  return {
    current,
    selected,
    setCurrent,
    focus,
    step: (by) => {
      anchor.current = null;
      const to = target(by);
      if (to) focus(to);
    },
    selectStep: (by) => {
      const to = target(by);
      if (!to) return;
      anchor.current ??= current;
      setSelected(through(to));
      focus(to);
    },
    select: (id, how) => {
      if (how === "through") setSelected(through(id));
      else {
        anchor.current = id;
        const next = new Set(selected.size || !current ? selected : [current]);
        if (!next.delete(id)) next.add(id);
        setSelected(next);
      }
      focus(id);
    },
    selectAll: () => setSelected(new Set(order)),
    selectNone: () => {
      anchor.current = null;
      setSelected(NONE);
    },
    after: (ids) => neighbour(order, ids, new Set(order)),
  };
}

/** The first id after these that is still there, or the last one before them. */
function neighbour(order: readonly string[], leaving: readonly string[], here: ReadonlySet<string>): string | null {
  const gone = new Set(leaving);
  const at = order.findIndex((id) => gone.has(id));
  const stays = (id: string) => here.has(id) && !gone.has(id);
  return order.slice(at + 1).find(stays) ?? order.slice(0, Math.max(at, 0)).findLast(stays) ?? null;
}

const rowOf = (list: HTMLElement | null, id: string) =>
  list?.querySelector<HTMLElement>(`[data-task-id="${CSS.escape(id)}"] input[type=checkbox]`) ?? null;
