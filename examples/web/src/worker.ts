/** Have the built app open without a network from now on. */
export function startWorker(): void {
  if (!("serviceWorker" in navigator)) return;
  const { serviceWorker } = navigator;
  if (import.meta.env.PROD) void serviceWorker.register("/sw.js").catch(() => undefined);
  // One of a built app that was served at this address before would get in the way of Vite's own files.
  else void serviceWorker.getRegistrations().then((all) => all.forEach((each) => void each.unregister()));
}
