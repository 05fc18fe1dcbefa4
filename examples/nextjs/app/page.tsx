import { print } from "graphql";
import { headers } from "next/headers";

import { auth } from "@/lib/auth";
import type { TaskListQuery } from "@/lib/gql/graphql";
import { TaskList } from "@/lib/operations";
import { url } from "@/lib/token";

import { Account } from "./Account";
import { SignIn } from "./SignIn";
import { Tasks } from "./Tasks";

export default async function Page() {
  const given = { headers: await headers() };
  const session = await auth.api.getSession(given);
  if (!session) return <SignIn />;
  const { token } = await auth.api.getToken(given);
  return (
    <main>
      <Account name={session.user.name} />
      <Tasks initial={await firstPage(token)} />
    </main>
  );
}

/** What is shown until the browser has asked itself; nothing where the API does not answer. */
async function firstPage(token: string): Promise<TaskListQuery["tasks"] | undefined> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: print(TaskList), variables: { first: 20 } }),
      signal: AbortSignal.timeout(3000),
    });
    return (await response.json()).data?.tasks;
  } catch {
    return undefined;
  }
}
