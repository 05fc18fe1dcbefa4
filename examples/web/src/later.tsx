// Parts of the page that are loaded when they are wanted, or soon after the list is up.
import { useEffect, useState, type ComponentType } from "react";
import { untilLoaded } from "./loading";
import { tell } from "./toasts";

type Part<Props> = () => Promise<{ default: ComponentType<Props> }>;

type Options = {
  /** What shows until it is there. */
  Meanwhile?: ComponentType;
  /** Whether it is loaded by `loadParts` already. */
  isSoon?: boolean;
};

const soon: (() => Promise<void>)[] = [];

/** As React's `lazy`, which never tries again: here it is, for as long as it is wanted. */
export function later<Props extends object>(
  load: Part<Props>,
  { Meanwhile, isSoon = true }: Options = {},
): ComponentType<Props> {
  let Loaded: ComponentType<Props> | undefined;
  const get = async () => void (Loaded ??= (await load()).default);
  if (isSoon) soon.push(get);

  return function Later(props: Props) {
    const [isThere, setThere] = useState(Loaded !== undefined);
    useEffect(() => {
      if (isThere) return;
      let isTold = false;
      return untilLoaded(
        get,
        () => setThere(true),
        () => {
          if (!isTold) tell("A part of the page could not be loaded. It is tried again.");
          isTold = true;
        },
      );
    }, [isThere]);
    return Loaded ? <Loaded {...props} /> : Meanwhile ? <Meanwhile /> : null;
  };
}

/** Load the parts that are wanted soon, one after another: the network may be gone by then. */
export async function loadParts(): Promise<void> {
  for (const get of soon) await get().catch(() => undefined);
}
