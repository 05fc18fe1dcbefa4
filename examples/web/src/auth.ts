// Who is signed in, and the token that says so to the API.
import { jwtClient } from "better-auth/client/plugins";
import { createAuthClient } from "better-auth/react";

export const authClient = createAuthClient({ plugins: [jwtClient()] });

/** A fresh token; null when nobody is signed in any more, which also brings the sign-in page back. */
export async function getToken(): Promise<string | null> {
  const { data, error } = await authClient.token();
  if (error?.status === 401) await authClient.signOut();
  return data?.token ?? null;
}
