import { shownKeys } from "../keys";

/** Keys as they stand on a keyboard. */
export const Keys = ({ keys }: { keys: string }) => (
  <span className="keys">
    {shownKeys(keys).map((key, index) => (
      <kbd key={index}>{key}</kbd>
    ))}
  </span>
);
