/** Where the API is, and who asks: whoever has signed in on this page. */
export const url = process.env.NEXT_PUBLIC_API_URL!;

/** By the session's cookie, which goes to this page's own server alone. */
export async function fetchToken(): Promise<string> {
  const response = await fetch("/api/auth/token");
  if (!response.ok) throw new Error("Sign in again.");
  return (await response.json()).token;
}
