// What is on this device of whoever is signed in: for all components.
import { openDevice, type Device } from "@todo-api/client/device";
import {
  createContext,
  use,
  useCallback,
  useEffect,
  useState,
  useSyncExternalStore,
  type ReactNode,
} from "react";
import { getToken, type Person } from "./session";

/** Whoever serves the page writes into it where the API is. */
const API = document.querySelector<HTMLMetaElement>('meta[name="api"]')!.content;

const DeviceContext = createContext<Device | null>(null);

type DeviceProviderProps = { person: Person; fallback: ReactNode; children: ReactNode };

/** Opens the device of a person, and shows `fallback` until it is there: some milliseconds. */
export function DeviceProvider({ person, fallback, children }: DeviceProviderProps) {
  const [device, setDevice] = useState<Device>();

  useEffect(() => {
    const opening = openDevice({ url: `${API}/graphql`, token: getToken, user: person.id });
    let isWanted = true;
    void opening.then((opened) => isWanted && setDevice(opened));
    return () => {
      isWanted = false;
      void opening.then((opened) => opened.close());
    };
  }, [person.id]);

  return device ? <DeviceContext value={device}>{children}</DeviceContext> : fallback;
}

export const useDevice = () => use(DeviceContext)!;

type Changing = { subscribe(listener: () => void): () => void };

/** What `read` gives now; the component is drawn again when that is another object. */
function useSnapshot<Of extends Changing, Snapshot>(of: Of, read: (of: Of) => Snapshot): Snapshot {
  const subscribe = useCallback((listener: () => void) => of.subscribe(listener), [of]);
  return useSyncExternalStore(subscribe, () => read(of));
}

/** All tasks and lists as they are to be seen: what is kept, with what waits to be sent. */
export const useThings = () => useSnapshot(useDevice().replica, (replica) => replica.things());

export const useReplica = () => useSnapshot(useDevice().replica, (replica) => replica.state());

/** How it stands with what waits to be sent. */
export const useOutbox = () => useSnapshot(useDevice().outbox, (outbox) => outbox.state());

export const useEntries = () => useSnapshot(useDevice().outbox, (outbox) => outbox.entries());

export const useRefused = () => useSnapshot(useDevice().outbox, (outbox) => outbox.refused());
