// Opens the app without a network. It keeps the files of one build, and nothing of the API or of Better Auth.
const FILES = ["FILES"];
const PREFIX = "todo-app-";
const CACHE = `${PREFIX}VERSION`;

/** Milliseconds that the network has for the page itself, before the kept one shows. */
const PATIENCE = 1_000;

/** The files of this build and of the one before it, which an open window may still load parts of. */
const BUILDS_KEPT = 2;

addEventListener("install", (event) => {
  const keep = async () => {
    const cache = await caches.open(CACHE);
    await cache.add(new Request("/", { cache: "reload" }));
    await cache.addAll(FILES);
    await self.skipWaiting();
  };
  event.waitUntil(keep());
});

addEventListener("activate", (event) => {
  const clean = async () => {
    const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
    const old = names.slice(0, Math.max(0, names.length - (BUILDS_KEPT - 1)));
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(clean());
});

addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin || pathname.startsWith("/api/")) return;
  event.respondWith(request.mode === "navigate" ? page(request) : file(request));
});

/** The page by the network, or as it was kept with its files where that takes too long or fails. */
async function page(request) {
  const kept = async () => (await caches.open(CACHE)).match("/");
  const fresh = fetch(request).then((answer) => (answer.status >= 500 ? undefined : answer));
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE));
  const answer = await Promise.race([fresh, late]).catch(() => undefined);
  return answer ?? (await kept()) ?? fresh.then((answer) => answer ?? Response.error());
}

// Whoever asks, a file of this name is the same; some servers say that it varies by `Origin`.
const file = async (request) => (await caches.match(request, { ignoreVary: true })) ?? fetch(request);
