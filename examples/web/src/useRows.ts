// Which row of a list is the current one, which are selected, and where the focus goes when a row leaves.
import { useCallback, useLayoutEffect, useMemo, useRef, useState, type RefObject } from "react";
import { flushSync } from "react-dom";

export type Rows = {
  current: string | null;
  /** The place of each row in the order. */
  places: ReadonlyMap<string, number>;
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
export function useRows(
  order: readonly string[],
  list: RefObject<HTMLElement | null>,
  home: RefObject<HTMLElement | null>,
): Rows {
  const [wanted, setCurrent] = useState<string | null>(null);
  const [selected, setSelected] = useState(NONE);
  const anchor = useRef<string | null>(null);
  const before = useRef(order);
  const hadFocus = useRef(false);

  const places = useMemo(() => new Map(order.map((id, place) => [id, place])), [order]);

  // Rows leave by what is done here or elsewhere: then the current row is the next one that is still there.
  let current = wanted;
  if (wanted !== null && !places.has(wanted) && before.current !== order) {
    current = neighbour(before.current, before.current.indexOf(wanted), (id) => places.has(id));
  }
  useLayoutEffect(() => {
    before.current = order;
    if (wanted !== current) setCurrent(current);
    if (selected.size) {
      const left = new Set([...selected].filter((id) => places.has(id)));
      if (left.size !== selected.size) setSelected(left);
    }
    if (hadFocus.current && document.activeElement === document.body) {
      if (current && order.length) rowOf(list.current, current)?.focus();
      else home.current?.focus();
    }
  }, [order]);

  useLayoutEffect(() => {
    const look = () => {
      if (document.activeElement !== document.body)
        hadFocus.current = list.current?.contains(document.activeElement) ?? false;
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
    const at = current ? (places.get(current) ?? -1) : -1;
    const isIn = at >= 0 && list.current?.contains(document.activeElement);
    const to = at < 0 ? 0 : isIn ? at + by : at;
    return order[Math.max(0, Math.min(to, order.length - 1))];
  };

  function through(id: string) {
    const from = places.get(anchor.current ?? current ?? id) ?? 0;
    const to = places.get(id) ?? 0;
    return new Set(order.slice(Math.min(from, to), Math.max(from, to) + 1));
  }

  return {
    current,
    places,
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
    after: (ids) => {
      const gone = new Set(ids);
      const first = Math.min(...ids.map((id) => places.get(id) ?? Infinity));
      return neighbour(order, first, (id) => !gone.has(id));
    },
  };
}

/** The first id after a place that stays, or the last one before it. */
function neighbour(
  order: readonly string[],
  place: number,
  stays: (id: string) => boolean,
): string | null {
  for (let at = place; at < order.length; at++) if (stays(order[at]!)) return order[at]!;
  for (let at = Math.min(place, order.length) - 1; at >= 0; at--)
    if (stays(order[at]!)) return order[at]!;
  return null;
}

const rowOf = (list: HTMLElement | null, id: string) =>
  list?.querySelector<HTMLElement>(`[data-task-id="${CSS.escape(id)}"] input[type=checkbox]`) ??
  null;
