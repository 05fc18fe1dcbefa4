// The tasks of a view, and all that can be done with them by pointer and by key.
import type { Task, Things } from "@todo-api/client/things";
import { useEffect, useMemo, useRef, useState, type RefObject } from "react";
import * as actions from "./actions";
import { useCommand } from "./commands";
import { useDevice } from "./device";
import { useNow } from "./due";
import { linger } from "./linger";
import { canIndent, indent, moveBy, outdent } from "./moving";
import { openTask, useRoute, type View } from "./route";
import { Row, type RowActs } from "./Row";
import type { Counts, Section } from "./shown";
import { announce } from "./toasts";
import { useRows } from "./useRows";
import { Window } from "./Window";
import { later } from "./later";

const Selection = later(() => import("./Selection"));
const Picker = later(() => import("./parts/pickers"));

type PickerKind = "date" | "labels" | "list" | "priority";

type ListViewProps = {
  view: View;
  name: string;
  sections: readonly Section[];
  things: Things;
  counts: Counts;
  home: RefObject<HTMLElement | null>;
};

export function ListView({ view, name, sections, things, counts, home }: ListViewProps) {
  const device = useDevice();
  const now = useNow();
  const list = useRef<HTMLDivElement>(null);
  const order = useMemo(
    () => sections.flatMap(({ lines }) => lines.map(({ task }) => task.id)),
    [sections],
  );
  const rows = useRows(order, list, home);
  const [editing, edit] = useState<string | null>(null);
  const [swiped, swipe] = useState<string | null>(null);
  const [picker, setPicker] = useState<{ kind: PickerKind; ids: string[] } | null>(null);

  const isByHand = view.name === "inbox" || view.name === "list";
  const tasksOf = (ids: Iterable<string>) => [...ids].flatMap((id) => things.tasks.get(id) ?? []);
  const current = rows.current ? (things.tasks.get(rows.current) ?? null) : null;
  /** What a command is about: what is selected, else the current task. */
  const targets = () =>
    rows.selected.size
      ? tasksOf(order.filter((id) => rows.selected.has(id)))
      : current
        ? [current]
        : [];
  const isAny = rows.selected.size > 0 || (rows.current !== null && order.length > 0);

  async function complete(tasks: readonly Task[], isByKey: boolean) {
    const completed = tasks.some((task) => !task.completed);
    const next = rows.after(tasks.map(({ id }) => id));
    if (completed) linger(tasks.map(({ id }) => id));
    const done = actions.complete(device, tasks, completed);
    rows.selectNone();
    if (isByKey && completed && next) rows.focus(next);
    await done;
  }

  async function leave(tasks: readonly Task[], how: (tasks: readonly Task[]) => Promise<void>) {
    const next = rows.after(tasks.map(({ id }) => id));
    await how(tasks);
    rows.selectNone();
    rows.focus(next);
  }

  const remove = (tasks: readonly Task[]) => leave(tasks, (some) => actions.remove(device, some));
  const pick = (kind: PickerKind) => setPicker({ kind, ids: targets().map(({ id }) => id) });

  // Rows keep what they were given, so that only those that changed are drawn anew.
  const latest = useRef<RowActs>(null!);
  latest.current = {
    current: rows.setCurrent,
    focus: rows.focus,
    select: rows.select,
    tick: (task, _completed, isByKey) => complete([task], isByKey),
    remove: (task) => void remove([task]),
    edit,
    rename: (task, title) => void actions.edit(device, task, { title }),
    open: openTask,
    swipe,
  };
  const [acts] = useState<RowActs>(() => ({
    current: (id) => latest.current.current(id),
    focus: (id) => latest.current.focus(id),
    select: (id, how) => latest.current.select(id, how),
    tick: (task, completed, isByKey) => latest.current.tick(task, completed, isByKey),
    remove: (task) => latest.current.remove(task),
    edit: (id) => latest.current.edit(id),
    rename: (task, title) => latest.current.rename(task, title),
    open: (id) => latest.current.open(id),
    swipe: (id) => latest.current.swipe(id),
  }));

  useCommand("next", order.length > 0 && (() => rows.step(1)));
  useCommand("previous", order.length > 0 && (() => rows.step(-1)));
  useCommand("select-next", order.length > 0 && (() => rows.selectStep(1)));
  useCommand("select-previous", order.length > 0 && (() => rows.selectStep(-1)));
  useCommand("select-all", order.length > 0 && rows.selectAll);
  useCommand(
    "select-none",
    (rows.selected.size > 0 || swiped !== null) && (() => (rows.selectNone(), swipe(null))),
  );
  useCommand("complete", isAny && (() => void complete(targets(), true)));
  useCommand("open", current && (() => openTask(current.id)));
  useCommand("edit", current && (() => edit(current.id)));
  useCommand("delete", isAny && (() => void remove(targets())));
  useCommand("due", isAny && (() => pick("date")));
  useCommand("labels", isAny && (() => pick("labels")));
  useCommand("move", isAny && (() => pick("list")));
  useCommand("high", isAny && (() => void actions.setPriority(device, targets(), "HIGH")));
  useCommand("medium", isAny && (() => void actions.setPriority(device, targets(), "MEDIUM")));
  useCommand("low", isAny && (() => void actions.setPriority(device, targets(), "LOW")));
  useCommand("none", isAny && (() => void actions.setPriority(device, targets(), "NONE")));

  // Moving is for lists that are in the order of people's hands.
  const lines = sections[0]?.lines ?? [];
  const moving = isByHand && current && rows.places.has(current.id) ? current : null;
  const move = async (how: Promise<string | null>) => {
    const said = await how;
    if (said) announce(said);
    if (current) rows.focus(current.id);
  };
  useCommand("up", moving && (() => void move(moveBy(device, lines, moving, -1))));
  useCommand("down", moving && (() => void move(moveBy(device, lines, moving, 1))));
  useCommand(
    "indent",
    moving && canIndent(lines, moving, counts) && (() => void move(indent(device, lines, moving))),
  );
  useCommand("outdent", moving?.parentId ? () => void move(outdent(device, moving)) : null);

  const late = sections.find(({ isLate }) => isLate);
  const toToday = () =>
    actions.setDue(
      device,
      late!.lines.map(({ task }) => task),
      now.slice(0, 10),
    );
  useCommand("all-to-today", late ? () => void toToday() : null);

  // Whoever closes the open task goes on in the list, where that is.
  const { task: opened } = useRoute();
  const wasOpen = useRef(opened);
  useEffect(() => {
    const closed = wasOpen.current;
    wasOpen.current = opened;
    if (closed && !opened && document.activeElement === document.body) {
      rows.focus(rows.places.has(closed) ? closed : rows.current);
    }
  }, [opened]);

  useEffect(() => {
    if (rows.selected.size > 1) announce(`${rows.selected.size} selected`);
  }, [rows.selected.size]);

  const tabStop = rows.current && rows.places.has(rows.current) ? rows.current : order[0];
  let placed = 0;
  return (
    <div className="sections" ref={list} data-list-order={isByHand ? "position" : "other"}>
      {sections.map(({ key, title, beside, isLate, isDay, lines }) => {
        const kept = tabStop ? rows.places.get(tabStop)! - placed : -1;
        placed += lines.length;
        return (
          <section key={key} className="section">
            {title && (
              <div className="section-head">
                <h2 className={isLate ? "late" : undefined}>
                  {title} {beside && <small>{beside}</small>}
                </h2>
                {isLate && (
                  <button type="button" className="quiet" onClick={() => void toToday()}>
                    Move all to today
                  </button>
                )}
              </div>
            )}
            {lines.length > 0 ? (
              <div role="list" className="rows" aria-label={title ?? name}>
                <Window items={lines} kept={kept}>
                  {({ task, isSub }, index) => (
                    <Row
                      key={task.id}
                      task={task}
                      isSub={isSub}
                      isCurrent={task.id === tabStop}
                      isSelected={rows.selected.has(task.id)}
                      isEditing={task.id === editing}
                      isSwiped={task.id === swiped}
                      listName={
                        view.name === "list" || !task.listId
                          ? undefined
                          : things.lists.get(task.listId)?.name
                      }
                      subtasks={counts.subtasks.get(task.id)}
                      now={now}
                      isDaySaid={Boolean(isDay)}
                      position={index + 1}
                      of={lines.length}
                      acts={acts}
                    />
                  )}
                </Window>
              </div>
            ) : (
              title && <p className="nothing">Nothing</p>
            )}
          </section>
        );
      })}
      {rows.selected.size > 0 && (
        <Selection
          tasks={tasksOf(rows.selected)}
          onComplete={() => void complete(targets(), true)}
          onRemove={() => void remove(targets())}
          onPick={pick}
          onNone={rows.selectNone}
        />
      )}
      {picker && (
        <Picker
          kind={picker.kind}
          ids={picker.ids}
          anchor={
            list.current?.querySelector<HTMLElement>(`[data-task-id="${picker.ids[0]}"]`) ?? null
          }
          onClose={() => {
            setPicker(null);
            if (rows.current) rows.focus(rows.current);
          }}
        />
      )}
    </div>
  );
}
