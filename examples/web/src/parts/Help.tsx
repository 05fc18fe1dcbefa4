import "./commands.css";
import { Dialog, DialogHead } from "./Dialog";
import { COMMANDS } from "../keys";
import { Keys } from "./KeyCaps";
import { useSetting } from "../settings";

const ALSO = [
  { name: "Save, in any form", keys: ["Mod+Enter"] },
  { name: "Close, keep nothing", keys: ["Escape"] },
];

/** All keys, and the switch for those that are single letters. */
export default function Help({ onClose }: { onClose: () => void }) {
  const [letters, setLetters] = useSetting("letters");
  const groups = Map.groupBy(
    COMMANDS.filter(({ keys }) => keys.length > 0),
    ({ group }) => group as string,
  );
  return (
    <Dialog label="All keys" className="help" onClose={onClose}>
      <DialogHead title="All keys" onClose={onClose} />
      <label className="switch">
        <input
          type="checkbox"
          checked={letters === "on"}
          onChange={({ target }) => setLetters(target.checked ? "on" : "off")}
        />
        Single letters do something, outside of fields
      </label>
      <div className="groups">
        {[...groups].map(([group, commands]) => (
          <section key={group} aria-label={group}>
            <h3>{group}</h3>
            <dl>
              {[...commands, ...(group === "Everywhere" ? ALSO : [])].map(({ name, keys }) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>
                    {keys.map((each, index) => (
                      <span key={each}>
                        {index > 0 && <span className="or"> or </span>}
                        <Keys keys={each} />
                      </span>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
