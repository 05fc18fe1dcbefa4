import { useRef } from "react";
import { useCommand } from "./commands";
import { useDevice } from "./device";
import { Icon } from "./icons";
import { go, type View } from "./route";
import { loadSearching } from "./searching";

/** Searches as one types; emptied, it leads back to where one was. */
export function Search({ view }: { view: View }) {
  const device = useDevice();
  const field = useRef<HTMLInputElement>(null);
  const before = useRef<View>({ name: "inbox" });
  if (view.name !== "search") before.current = view;
  useCommand("search", () => field.current?.select());

  const warmUp = () =>
    loadSearching().then(
      ({ search }) => void search(device.replica.things(), "a"),
      () => undefined,
    );

  const search = (words: string) =>
    go(words ? { name: "search", words } : before.current, {
      replace: view.name === "search" && words !== "",
    });

  return (
    <form
      role="search"
      className="search"
      onSubmit={(event) => {
        event.preventDefault();
        document.querySelector<HTMLElement>(".rows input[tabindex='0']")?.focus();
      }}
    >
      <Icon name="search" />
      <input
        ref={field}
        type="search"
        aria-label="Search"
        placeholder="Search"
        autoComplete="off"
        enterKeyHint="search"
        value={view.name === "search" ? view.words : ""}
        // The first search makes the words of all tasks: that is done by the time there is something to be found.
        onFocus={warmUp}
        onChange={({ target }) => search(target.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.preventDefault();
          if (view.name === "search") search("");
          field.current?.blur();
        }}
      />
      <kbd aria-hidden="true">/</kbd>
    </form>
  );
}
