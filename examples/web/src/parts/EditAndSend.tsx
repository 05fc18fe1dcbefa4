import type { Entry, Refused } from "@todo-api/client/outbox";
import { lists as listsOf } from "@todo-api/client/views";
import type { FormEvent, KeyboardEvent } from "react";
import { useDevice, useThings } from "../device";
import { Field } from "../Field";
import { fieldInWords } from "./phrases";

/** The texts of an input that a person can mend. */
const TEXTS = ["title", "name", "to", "description", "dueOn", "dueTime"];
const OPERATIONS = new Set(["createTask", "updateTask", "createList", "updateList", "renameLabel"]);

const textsOf = ({ input }: Entry) =>
  TEXTS.filter((name) => typeof input[name] === "string" && input[name] !== "");

/** Whether a change has texts that could be mended. */
export const isText = (entry: Entry) =>
  OPERATIONS.has(entry.operation) && textsOf(entry).length > 0;

type EditAndSendProps = { refused: Refused; onClose: () => void };

/** A change that could not be done, to be mended and sent once more. */
export function EditAndSend({ refused: { seq, entry, issues }, onClose }: EditAndSendProps) {
  const { outbox } = useDevice();
  const lists = listsOf(useThings());
  const names = textsOf(entry);
  const hasList = typeof entry.input.listId === "string";

  function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const mended = Object.fromEntries(names.map((name) => [name, String(form.get(name)) || null]));
    const { expectedVersion: _, ...input } = entry.input;
    const list = hasList && { listId: String(form.get("list")) || null };
    void outbox.again(seq, { ...input, ...mended, ...list });
  }

  function onKeyDown(event: KeyboardEvent<HTMLFormElement>) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.currentTarget.requestSubmit();
    } else if (event.key === "Escape") {
      event.stopPropagation();
      event.preventDefault();
      onClose();
    }
  }

  return (
    <form className="edit-and-send" onSubmit={send} onKeyDown={onKeyDown}>
      {names.map((name, index) => (
        <Field
          key={name}
          label={capital(name === "to" ? "label" : fieldInWords(name))}
          name={name}
          type={name === "dueOn" ? "date" : name === "dueTime" ? "time" : undefined}
          multiline={name === "description"}
          defaultValue={String(entry.input[name])}
          autoFocus={index === 0}
          autoComplete="off"
          error={issues?.find(({ path }) => path[0] === name)?.message}
        />
      ))}
      {hasList && (
        <Field
          label="List"
          name="list"
          defaultValue={lists.some(({ id }) => id === entry.input.listId) ? String(entry.input.listId) : ""}
          options={{ "": "Inbox", ...Object.fromEntries(lists.map(({ id, name }) => [id, name])) }}
        />
      )}
      <div className="buttons">
        <button className="main">Send</button>
        <button type="button" className="quiet" onClick={onClose}>
          Cancel
        </button>
      </div>
    </form>
  );
}

const capital = (text: string) => text[0]!.toUpperCase() + text.slice(1);
