/** Makes Better Auth's tables, before the first request. */
export async function register() {
  if (process.env.NEXT_RUNTIME !== "nodejs") return;
  const { getMigrations } = await import("better-auth/db/migration");
  const { auth } = await import("./lib/auth");
  // Not its warnings: the API lets users be without an e-mail address, which it would mention.
  const quiet = { ...auth.options, logger: { level: "error" } } as const;
  await (await getMigrations(quiet)).runMigrations();
}
