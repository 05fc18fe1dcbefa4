import { useId, useRef, useState } from "react";
import "./account.css";
import { run } from "./commands";
import { useDevice } from "./device";
import { useSession } from "./session";
import { useSetting } from "./settings";
import { tell } from "./toasts";
import { later } from "./later";

const SignOut = later(() => import("./parts/SignOut"));

/** Who is signed in, and what they can do about it. */
export function Account() {
  const { person } = useSession();
  const device = useDevice();
  const [theme, setTheme] = useSetting("theme");
  const [isLeaving, setLeaving] = useState(false);
  const menu = useRef<HTMLDivElement>(null);
  const id = useId();
  if (!person) return null;

  async function download() {
    menu.current!.hidePopover();
    // What is in the trash is on the device only once it was asked for.
    await device.fetchTrash().catch(() => undefined);
    const { downloadEverything } = await import("./parts/download");
    tell(`Saved as ${downloadEverything(device.replica.things())}.`);
  }

  return (
    <>
      <button
        type="button"
        className="account"
        popoverTarget={id}
        aria-label={`Account of ${person.name}`}
        title={person.name}
      >
        <span data-initials={initialsOf(person.name)} />
      </button>
      <div id={id} ref={menu} popover="auto" className="account-menu">
        <p>
          <strong>{person.name}</strong>
          <small>{person.email}</small>
        </p>
        <label>
          Colours
          <select value={theme} onChange={({ target }) => setTheme(target.value as typeof theme)}>
            <option value="system">As the system</option>
            <option value="light">Light</option>
            <option value="dark">Dark</option>
          </select>
        </label>
        <button type="button" onClick={download}>
          Download everything
        </button>
        <button
          type="button"
          onClick={() => {
            menu.current!.hidePopover();
            run("help");
          }}
        >
          Keys
        </button>
        <button
          type="button"
          onClick={() => {
            menu.current!.hidePopover();
            setLeaving(true);
          }}
        >
          Sign out
        </button>
      </div>
      {isLeaving && (
        <SignOut onClose={() => setLeaving(false)} />
      )}
    </>
  );
}

/** The first letters of the first and the last name. */
function initialsOf(name: string): string {
  const words = name.trim().split(/\s+/u);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined];
  return letters.map((word) => (word ? [...word][0]!.toUpperCase() : "")).join("");
}
