import type { TaskList } from "@todo-api/client/things";
import { useState, type FormEvent, type KeyboardEvent } from "react";
import { act } from "../acts";
import { useDevice } from "../device";
import { Dialog, DialogHead } from "./Dialog";
import { Field } from "../Field";

type ListFormProps = { list?: TaskList; onClose: () => void; onMade?: (id: string) => void };

/** Code points that the name of a list may have. */
const AT_MOST = 100;

/** The name of a list, or of a new one. */
export default function ListForm({ list, onClose, onMade }: ListFormProps) {
  const device = useDevice();
  const [error, setError] = useState<string>();

  async function save(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name")).trim();
    if (!name) return setError("A list needs a name.");
    if ([...name].length > AT_MOST) return setError(`At most ${AT_MOST} characters.`);
    onClose();
    if (!list) {
      const id = device.ids.list();
      await act(device, "createList", { id, name }, { says: `Added the list “${name}”` });
      onMade?.(id);
    } else if (name !== list.name) {
      const input = { id: list.id, name, expectedVersion: list.version || undefined };
      const seen = { name: list.name };
      await act(device, "updateList", input, { seen, says: `Renamed to “${name}”` });
    }
  }

  function saveOnEnter(event: KeyboardEvent<HTMLFormElement>) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.currentTarget.requestSubmit();
    }
  }

  const title = list ? "Rename the list" : "New list";
  return (
    <Dialog label={title} className="small" onClose={onClose}>
      <DialogHead title={title} onClose={onClose} />
      <form onSubmit={save} onKeyDown={saveOnEnter} aria-label={title}>
        <Field
          label="Name of the list"
          name="name"
          autoComplete="off"
          autoFocus
          defaultValue={list?.name}
          error={error}
        />
        <div className="buttons">
          <button className="main">{list ? "Save" : "Create"}</button>
          <button type="button" className="quiet" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
