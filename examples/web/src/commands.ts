// What can be done just now: components offer commands while they are there.
import { useEffect, useEffectEvent } from "react";
import { COMMANDS, isSign, nameOf, type Command, type CommandId } from "./keys";
import { setting } from "./settings";

const offers = new Map<CommandId, (() => void)[]>();

/** Offer a command for as long as the component is there and the handler is not null. */
export function useCommand(id: CommandId, handler: (() => void) | null | false) {
  const isOffered = Boolean(handler);
  const handle = useEffectEvent(() => handler && handler());
  useEffect(() => {
    if (!isOffered) return;
    const offer = () => handle();
    offers.set(id, [...(offers.get(id) ?? []), offer]);
    return () =>
      void offers.set(
        id,
        offers.get(id)!.filter((other) => other !== offer),
      );
  }, [id, isOffered]);
}

/** Run a command, by whoever has offered it last; false where nobody does. */
export function run(id: CommandId): boolean {
  const offer = offers.get(id)?.at(-1);
  offer?.();
  return offer !== undefined;
}

/** The commands that can be run now, in the table's order. */
export function offered(): (Command & { run: () => void })[] {
  return COMMANDS.filter(({ id }) => offers.get(id)?.length).map((command) => ({
    ...command,
    run: () => void run(command.id),
  }));
}

const BY_KEY = new Map<string, CommandId>(
  COMMANDS.flatMap(({ id, keys }) => keys.map((key) => [key, id] as const)),
);
const FIRST_OF_TWO = new Set(
  [...BY_KEY.keys()].filter((key) => key.includes(" ")).map((key) => key.split(" ")[0]!),
);

/** Milliseconds in which the second of two keys is to be pressed. */
const PATIENCE = 1_500;

const TEXT =
  "input:not([type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable]";
/** What acts by itself on Enter and Space. */
const ACTING = "button, a, summary, [role=button], [role=menuitem], [role=option]";

let first = { key: "", at: 0 };

function press(event: KeyboardEvent) {
  if (event.defaultPrevented || event.isComposing || /^(Shift|Control|Alt|Meta)$/.test(event.key))
    return;
  const target = event.target as Element;
  const name = nameOf(event);
  const both = performance.now() - first.at < PATIENCE ? `${first.key} ${name}` : name;
  first = { key: "", at: 0 };
  const id = BY_KEY.get(both) ?? BY_KEY.get(name);
  const isInText = target.matches(TEXT);
  // A dialog has the keys to itself, but for the command that closes what opened it.
  if (document.querySelector("dialog:modal") && id !== "commands") return;
  if (isInText && id !== "commands") return;
  const isLetter = isSign(name) && name !== "Space";
  if (isLetter && setting("letters") === "off") return;
  if (!id && FIRST_OF_TWO.has(name)) {
    first = { key: name, at: performance.now() };
    return;
  }
  if ((name === "Enter" || name === "Space") && target.matches(ACTING)) return;
  if (name === "Space" && target.matches("input")) return;
  if (
    /^(Shift\+)?Arrow/.test(name) &&
    target.matches("[role=menuitem], [role=option], [role=tab], input[type=radio]")
  )
    return;
  if (id && run(id)) event.preventDefault();
}

/** Have keys run commands, until the function that is given back is called. */
export function listenToKeys() {
  addEventListener("keydown", press);
  return () => removeEventListener("keydown", press);
}
