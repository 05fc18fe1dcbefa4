import { useState } from "react";
import { offered } from "../commands";
import "./commands.css";
import { Dialog } from "./Dialog";
import { Keys } from "./KeyCaps";
import { Options } from "./Options";

/** Every command that can be run now, by its name. */
export default function Commands({ onClose }: { onClose: () => void }) {
  // What was offered before the menu took the focus.
  const [all] = useState(() => offered().filter(({ id }) => id !== "commands" && id !== "select-none"));
  return (
    <Dialog label="Commands" className="commands" onClose={onClose}>
      <Options
        label="Command"
        placeholder="What shall be done?"
        options={all.map(({ id, name, keys }) => ({
          id,
          name,
          beside: keys[0] && <Keys keys={keys[0]} />,
        }))}
        onChoose={(id) => {
          onClose();
          // The focus is back in the list by then, for commands that act on what has it.
          setTimeout(() => all.find((each) => each.id === id)!.run());
        }}
      />
    </Dialog>
  );
}
