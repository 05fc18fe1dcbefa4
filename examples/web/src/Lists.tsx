import { useRef, useState, type FormEvent, type KeyboardEvent, type MouseEvent } from "react";
import { useMutation } from "urql";
import { reasonOf } from "./failures";
import { Field } from "./Field";
import {
  CreateListDocument,
  DeleteListDocument,
  UpdateListDocument,
  type ListFieldsFragment,
} from "./gql/graphql";
import { useKeyFor } from "./repeats";
import type { OnNews } from "./Tasks";

/** Either the id of a list, or one of these. */
export type Choice = "everything" | "inbox" | (string & {});

const ALWAYS = [
  { id: "everything", name: "All tasks" },
  { id: "inbox", name: "Inbox" },
];

type ListsProps = {
  lists: ListFieldsFragment[];
  chosen: ListFieldsFragment | undefined;
  choice: Choice;
  onChoose: (choice: Choice) => void;
  onNews: OnNews;
};

/** Changes of lists are not kept while offline: they wait in their form. */
export function Lists({ lists, chosen, choice, onChoose, onNews }: ListsProps) {
  const [naming, setNaming] = useState<"nothing" | "new" | "chosen">("nothing");
  const opener = useRef<HTMLButtonElement>(null);
  const [{ fetching }, deleteList] = useMutation(DeleteListDocument);

  const open = (what: "new" | "chosen") => (event: MouseEvent<HTMLButtonElement>) => {
    opener.current = event.currentTarget;
    setNaming(what);
  };

  function close() {
    setNaming("nothing");
    opener.current?.focus();
  }

  function onNamed(list: ListFieldsFragment) {
    onNews(naming === "new" ? `Added the list “${list.name}”.` : `Renamed to “${list.name}”.`);
    onChoose(list.id);
    close();
  }

  async function remove({ id, name }: ListFieldsFragment) {
    if (!confirm(`Move the list “${name}” and its tasks to the trash?`)) return;
    const { data, error } = await deleteList({
      input: { id, idempotencyKey: crypto.randomUUID() },
    });
    const outcome = data?.deleteList;
    const isGone = outcome?.__typename === "DeleteListSuccess";
    onNews(isGone ? `“${name}” is in the trash.` : reasonOf(outcome, error));
  }

  return (
    <>
      <nav className="choices" aria-label="Lists">
        {ALWAYS.map(({ id, name }) => (
          <button key={id} aria-pressed={id === choice} onClick={() => onChoose(id)}>
            {name}
          </button>
        ))}
        {lists.map(({ id, name, pendingCount }) => (
          <button key={id} aria-pressed={id === choice} onClick={() => onChoose(id)}>
            {name} <span className="badge">{pendingCount}</span>
          </button>
        ))}
      </nav>
      <div className="actions">
        <button className="quiet" onClick={open("new")}>
          New list
        </button>
        {chosen && (
          <>
            <button className="quiet" onClick={open("chosen")}>
              Rename
            </button>
            <button className="quiet" disabled={fetching} onClick={() => remove(chosen)}>
              Move to trash
            </button>
          </>
        )}
      </div>
      {naming === "new" && <NameList onNamed={onNamed} onClose={close} />}
      {naming === "chosen" && chosen && (
        <NameList key={chosen.id} list={chosen} onNamed={onNamed} onClose={close} />
      )}
    </>
  );
}

type NameListProps = {
  list?: ListFieldsFragment;
  onNamed: (list: ListFieldsFragment) => void;
  onClose: () => void;
};

/** A form for the name of a list, or of a new one. */
function NameList({ list, onNamed, onClose }: NameListProps) {
  const [, createList] = useMutation(CreateListDocument);
  const [, updateList] = useMutation(UpdateListDocument);
  const [wrong, setWrong] = useState<string>();
  const keyFor = useKeyFor();

  async function save(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name"));
    const idempotencyKey = keyFor({ name });
    const { data, error } = list
      ? await updateList({ input: { id: list.id, name, idempotencyKey } })
      : await createList({ input: { name, idempotencyKey } });
    const outcome = data && ("updateList" in data ? data.updateList : data.createList);
    if (outcome?.__typename === "TaskList") onNamed(outcome);
    else setWrong(reasonOf(outcome, error));
  }

  function closeOnEscape({ key }: KeyboardEvent) {
    if (key === "Escape") onClose();
  }

  return (
    <form
      className="name-list"
      aria-label={list ? "Rename the list" : "New list"}
      onSubmit={save}
      onKeyDown={closeOnEscape}
    >
      <Field
        label="Name of the list"
        name="name"
        autoComplete="off"
        autoFocus
        maxLength={100}
        defaultValue={list?.name}
        error={wrong}
      />
      <div className="actions">
        <button className="main">{list ? "Save" : "Create"}</button>
        <button type="button" onClick={onClose}>
          Cancel
        </button>
      </div>
    </form>
  );
}
