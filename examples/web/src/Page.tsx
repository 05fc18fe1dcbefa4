// A view under its heading.
import type { TaskList, Things } from "@todo-api/client/things";
import { useDeferredValue, useEffect, useMemo, useRef } from "react";
import { AddField } from "./AddField";
import { useReplica } from "./device";
import { inFull, useNow, useToday } from "./due";
import { later } from "./later";
import { useLingering } from "./linger";
import { ListView } from "./ListView";
import { hrefOf, openTask, type View } from "./route";
import { useSearching } from "./searching";
import { sectionsOf, type Counts } from "./shown";

const ListMenu = later(() => import("./parts/ListMenu"));
const Empty = later(() => import("./Empty"));
const Trash = later(() => import("./parts/Trash"));
const Completed = later(() => import("./parts/Completed"));

type PageProps = { view: View; things: Things; lists: readonly TaskList[]; counts: Counts };

export function Page({ view, things, lists, counts }: PageProps) {
  const today = useToday();
  const now = useNow();
  const lingers = useLingering();
  const { isFilled } = useReplica();
  // The field of the search is never kept waiting by what is found.
  const shownView = useDeferredValue(view);
  const search = useSearching(view.name === "search");
  const sections = useMemo(
    () => sectionsOf(shownView, things, today, lingers, search),
    [shownView, things, today, lingers, search],
  );
  const heading = useRef<HTMLHeadingElement>(null);
  const list = view.name === "list" ? things.lists.get(view.id) : undefined;
  const isHere = view.name !== "list" || (list && !list.deletedAt);
  const name =
    view.name === "list"
      ? (list?.name ?? "List")
      : view.name === "label"
        ? view.label
        : NAMES[view.name];
  // Each view begins at its top, and is told by its heading; each letter of a search is no view of its own.
  const place = view.name === "search" ? "search" : hrefOf(view);
  const isFirst = useRef(true);

  useEffect(() => {
    document.title = `${name} · Tasks`;
  }, [name]);

  useEffect(() => {
    if (isFirst.current) isFirst.current = false;
    else if (view.name !== "search") {
      scrollTo(0, 0);
      heading.current?.focus({ preventScroll: true });
    }
  }, [place]);

  const hasField =
    view.name !== "trash" && view.name !== "completed" && view.name !== "search" && isHere;
  const isEmpty = sections.every(({ lines }) => lines.length === 0);
  return (
    <main id="main" className={hasField ? "page with-field" : "page"}>
      <div className="page-head">
        <h1 ref={heading} tabIndex={-1}>
          {name} {view.name === "today" && <small>{inFull(today)}</small>}
        </h1>
        {isHere && list && <ListMenu list={list} lists={lists} />}
      </div>
      {hasField && <AddField key={place} view={view} lists={lists} counts={counts} />}
      {view.name === "trash" ? (
        <Trash now={now} />
      ) : view.name === "completed" ? (
        <Completed onOpen={openTask} />
      ) : isEmpty && view.name !== "upcoming" ? (
        <Empty
          view={shownView}
          isFilled={isFilled && (view.name !== "search" || search !== undefined)}
          isHere={Boolean(isHere)}
        />
      ) : (
        <ListView
          key={`tasks ${place}`}
          view={shownView}
          name={name}
          sections={sections}
          things={things}
          counts={counts}
          home={heading}
        />
      )}
    </main>
  );
}

const NAMES = {
  inbox: "Inbox",
  today: "Today",
  upcoming: "Upcoming",
  completed: "Completed",
  trash: "Trash",
  search: "Search",
} as const;
