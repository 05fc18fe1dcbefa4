import type { TaskList } from "@todo-api/client/things";
import { useId, useRef, useState } from "react";
import { quoted } from "../actions";
import { act } from "../acts";
import { useDevice } from "../device";
import { Icon } from "../icons";
import { go } from "../route";
import { announce } from "../toasts";
import { later } from "../later";

const ListForm = later(() => import("./ListForm"));

type ListMenuProps = { list: TaskList; lists: readonly TaskList[] };

/** What can be done with a list. */
export default function ListMenu({ list, lists }: ListMenuProps) {
  const device = useDevice();
  const [isNaming, setNaming] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  const id = useId();
  const at = lists.findIndex((each) => each.id === list.id);

  const item = (name: string, run: () => void) => (
    <button
      type="button"
      onClick={() => {
        menu.current!.hidePopover();
        run();
      }}
    >
      {name}
    </button>
  );

  async function move(by: -1 | 1) {
    const other = lists[at + by]!;
    const place = by < 0 ? { before: other.id } : { after: other.id };
    await act(device, "moveList", { id: list.id, place });
    announce(`${list.name}, ${at + by + 1} of ${lists.length}`);
  }

  async function remove() {
    go({ name: "inbox" });
    const says = `Deleted ${quoted(list.name)} and its tasks`;
    await act(device, "deleteList", { id: list.id }, { says, seen: { name: list.name } });
  }

  return (
    <>
      <button
        type="button"
        className="icon-button"
        aria-label={`What to do with the list ${list.name}`}
        popoverTarget={id}
        style={{ anchorName: "--list-menu" }}
      >
        <Icon name="more" />
      </button>
      <div id={id} ref={menu} popover="auto" className="account-menu list-menu">
        {item("Rename", () => setNaming(true))}
        {at > 0 && item("Move up", () => void move(-1))}
        {at >= 0 && at < lists.length - 1 && item("Move down", () => void move(1))}
        {item("Move to the trash", () => void remove())}
      </div>
      {isNaming && (
        <ListForm list={list} onClose={() => setNaming(false)} />
      )}
    </>
  );
}
