// Dragging tasks among each other and onto lists, and lists among each other. Loaded once the list is up.
import {
  draggable,
  dropTargetForElements,
  monitorForElements,
} from "@atlaskit/pragmatic-drag-and-drop/element/adapter";
import type { Device } from "@todo-api/client/device";
import type { Task, TaskList } from "@todo-api/client/things";
import { moveToList, quoted } from "./actions";
import { act } from "./acts";
import "./drag.css";

const TASK = "[data-task-id]";
const PLACE = "a[data-list-id]";
const BY_HAND = '[data-list-order="position"]';

type Dragged = { task?: Task; list?: TaskList };

type Target =
  /** Beside another task, or another list. */
  | { kind: "beside"; element: Element; id: string; isBefore: boolean }
  /** Into a list; null is the inbox. */
  | { kind: "into"; element: Element; list: TaskList | null };

type Point = { clientX: number; clientY: number };

/** Have rows and lists be dragged, until the function that is given back is called. */
export function startDrag(device: Device): () => void {
  const line = document.createElement("div");
  line.className = "drop-line";
  line.hidden = true;
  document.body.append(line);
  let release = () => {};
  let lit: Element | undefined;

  /** Rows come and go while a long list is scrolled, so each is made draggable when it is touched. */
  function onPointerDown({ target, button }: PointerEvent) {
    release();
    release = () => {};
    if (button !== 0 || !(target instanceof Element) || target.closest("input, textarea, select")) return;
    const element = target.closest<HTMLElement>(`${TASK}, ${PLACE}`);
    const dragged = element && draggedBy(element);
    if (!element || (!dragged?.task && !dragged?.list)) return;
    release = draggable({ element, getInitialData: () => dragged });
  }

  function draggedBy({ dataset: { taskId, listId } }: HTMLElement): Dragged {
    const { tasks, lists } = device.replica.things();
    return { task: tasks.get(taskId ?? ""), list: lists.get(listId ?? "") };
  }

  function targetAt({ clientX, clientY }: Point, { task, list }: Dragged): Target | undefined {
    const { tasks, lists } = device.replica.things();
    const under = document.elementFromPoint(clientX, clientY);
    const element = under?.closest<HTMLElement>(`${TASK}, ${PLACE}`);
    if (!element) return undefined;
    const { taskId, listId } = element.dataset;
    const { top, height } = element.getBoundingClientRect();
    const isBefore = clientY < top + height / 2;
    if (task && listId !== undefined) {
      const into = lists.get(listId) ?? null;
      const isElsewhere = task.listId !== (into?.id ?? null) && !task.parentId;
      return isElsewhere ? { kind: "into", element, list: into } : undefined;
    }
    if (list && listId && listId !== list.id) {
      return { kind: "beside", element, id: listId, isBefore };
    }
    const other = tasks.get(taskId ?? "");
    if (!task || !other || other.id === task.id || !element.closest(BY_HAND)) return undefined;
    return canBeBeside(task, other, tasks)
      ? { kind: "beside", element, id: other.id, isBefore }
      : undefined;
  }

  function show(target: Target | undefined) {
    lit?.classList.remove("drop-here");
    lit = target?.kind === "into" ? target.element : undefined;
    lit?.classList.add("drop-here");
    line.hidden = target?.kind !== "beside";
    if (target?.kind !== "beside") return;
    const { left, top, bottom, width } = target.element.getBoundingClientRect();
    Object.assign(line.style, {
      left: `${left}px`,
      top: `${target.isBefore ? top : bottom}px`,
      width: `${width}px`,
    });
  }

  function drop(target: Target | undefined, { task, list }: Dragged) {
    if (!target) return;
    if (target.kind === "into") return void moveToList(device, [task!], target.list);
    const place = target.isBefore ? { before: target.id } : { after: target.id };
    if (list) {
      return void act(device, "moveList", { id: list.id, place }, { says: `Moved ${quoted(list.name)}` });
    }
    const parentId = device.replica.things().tasks.get(target.id)!.parentId;
    const input = { id: task!.id, place, ...(parentId !== task!.parentId && { parentId }) };
    void act(device, "moveTask", input, { says: `Moved ${quoted(task!.title)}` });
  }

  document.addEventListener("pointerdown", onPointerDown);
  const stops = [
    // One target for all: what is under the pointer is looked up.
    dropTargetForElements({ element: document.body }),
    monitorForElements({
      onDragStart: ({ source }) => source.element.setAttribute("data-dragged", ""),
      onDrag: ({ location, source }) =>
        show(targetAt(location.current.input, source.data as Dragged)),
      onDrop: ({ location, source }) => {
        show(undefined);
        source.element.removeAttribute("data-dragged");
        const isDropped = location.current.dropTargets.length > 0;
        const dragged = source.data as Dragged;
        if (isDropped) drop(targetAt(location.current.input, dragged), dragged);
      },
    }),
  ];
  return () => {
    document.removeEventListener("pointerdown", onPointerDown);
    release();
    for (const stop of stops) stop();
    line.remove();
  };
}

/** Subtasks have none themselves, and do not recur. */
function canBeBeside(task: Task, other: Task, tasks: ReadonlyMap<string, Task>): boolean {
  if (!other.parentId || other.parentId === task.parentId) return true;
  if (other.parentId === task.id || task.recurrence) return false;
  for (const { parentId, deletedAt } of tasks.values()) {
    if (parentId === task.id && !deletedAt) return false;
  }
  return true;
}
