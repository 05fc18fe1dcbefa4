"use client";

import { authClient } from "@/lib/auth-client";

export function Account({ name }: { name: string }) {
  async function signOut() {
    await authClient.signOut();
    // The token, the cache and the socket go with the page.
    window.location.reload();
  }

  return (
    <p>
      {name} <button onClick={signOut}>Sign out</button>
    </p>
  );
}
