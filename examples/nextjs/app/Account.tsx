"use client";

import { useEffect } from "react";

import { authClient } from "@/lib/auth-client";

export function Account({ id, name }: { id: string; name: string }) {
  const { data, error, isPending } = authClient.useSession();
  // In another window somebody has signed out, or in as somebody else.
  const isOver = !isPending && !error && data?.user.id !== id;

  // The token, the cache and the socket go with the page.
  useEffect(() => {
    if (isOver) window.location.reload();
  }, [isOver]);

  async function signOut() {
    await authClient.signOut();
    window.location.reload();
  }

  return (
    <p>
      {name} <button onClick={signOut}>Sign out</button>
    </p>
  );
}
