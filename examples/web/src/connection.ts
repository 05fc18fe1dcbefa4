// The connection of whoever is signed in, for all components.
import { createContext, useContext, useSyncExternalStore } from "react";
import type { Connection } from "./client";

export const ConnectionContext = createContext<Connection | null>(null);

export const useConnection = () => useContext(ConnectionContext)!;

/** Whether the server can be reached. */
export function useOnline() {
  const { live } = useConnection();
  return useSyncExternalStore(live.onChange, live.isOnline);
}
