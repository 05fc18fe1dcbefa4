// Where one can go. Below 720 px it is a drawer.
import type { TaskList } from "@todo-api/client/things";
import { useEffect, useRef, type ReactNode } from "react";
import { Icon } from "./icons";
import { hrefOf, isSameView, type View } from "./route";
import type { Counts } from "./shown";

type SidebarProps = {
  view: View;
  lists: readonly TaskList[];
  counts: Counts;
  isOpen: boolean;
  onClose: () => void;
  onNewList: () => void;
};

export function Sidebar({ view, lists, counts, isOpen, onClose, onNewList }: SidebarProps) {
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!isOpen) return;
    const places = nav.current!;
    (places.querySelector<HTMLElement>("a[aria-current]") ?? places.querySelector("a"))?.focus();
  }, [isOpen]);

  const link = (
    to: View,
    icon: Parameters<typeof Icon>[0]["name"],
    name: string,
    count?: number,
    listId?: string,
  ) => (
    <Place key={hrefOf(to)} to={to} isHere={isSameView(to, view)} count={count} listId={listId}>
      <Icon name={icon} />
      <span className="name">{name}</span>
    </Place>
  );
  return (
    <>
      {isOpen && <div className="behind" onPointerDown={onClose} />}
      <nav
        id="places"
        ref={nav}
        className={isOpen ? "sidebar open" : "sidebar"}
        aria-label="Places"
        onClick={({ target }) => (target as Element).closest("a") && onClose()}
      >
        <p className="brand">
          <img src="/icon.svg" alt="" /> Tasks
          <button
            type="button"
            className="icon-button only-drawer"
            aria-label="Close the places"
            onClick={onClose}
          >
            <Icon name="close" />
          </button>
        </p>
        <ul>
          {link({ name: "inbox" }, "inbox", "Inbox", counts.inbox, "")}
          {link({ name: "today" }, "today", "Today", counts.today)}
          {link({ name: "upcoming" }, "upcoming", "Upcoming")}
        </ul>
        <div className="places-head">
          <h2 id="lists">Lists</h2>
          <button
            type="button"
            className="icon-button"
            aria-label="New list"
            title="New list"
            onClick={onNewList}
          >
            <Icon name="plus" />
          </button>
        </div>
        <ul aria-labelledby="lists">
          {lists.map(({ id, name }) =>
            link({ name: "list", id }, "list", name, counts.lists.get(id), id),
          )}
        </ul>
        {lists.length === 0 && <p className="nothing">None yet</p>}
        {counts.labels.length > 0 && (
          <>
            <div className="places-head">
              <h2 id="labels">Labels</h2>
            </div>
            <ul aria-labelledby="labels">
              {counts.labels.map(({ name, count }) =>
                link({ name: "label", label: name }, "label", name, count),
              )}
            </ul>
          </>
        )}
        <ul className="last">
          {link({ name: "completed" }, "completed", "Completed")}
          {link({ name: "trash" }, "trash", "Trash")}
        </ul>
      </nav>
    </>
  );
}

type PlaceProps = {
  to: View;
  isHere: boolean;
  count?: number;
  listId?: string;
  children: ReactNode;
};

function Place({ to, isHere, count, listId, children }: PlaceProps) {
  return (
    <li>
      <a
        href={hrefOf(to)}
        aria-current={isHere ? "page" : undefined}
        data-list-id={listId}
        draggable={false}
      >
        {children}
        {Boolean(count) && (
          <span className="count">
            {count} <span className="only-told">{count === 1 ? "task" : "tasks"}</span>
          </span>
        )}
      </a>
    </li>
  );
}
