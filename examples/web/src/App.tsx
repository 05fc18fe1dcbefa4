import { useState } from "react";
import { Provider } from "urql";
import { authClient } from "./auth";
import { connectionOf } from "./client";
import { ConnectionContext, useOnline } from "./connection";
import { SignIn } from "./SignIn";
import { Tasks } from "./Tasks";

export function App() {
  const { data: session, isPending } = authClient.useSession();
  // Later checks of the session, as when the window is looked at again, must not take a form away.
  const [isKnown, setKnown] = useState(false);
  if (!isPending && !isKnown) setKnown(true);
  if (!isKnown) return null;
  return session ? <SignedIn key={session.user.id} user={session.user} /> : <SignIn />;
}

function SignedIn({ user }: { user: { id: string; name: string } }) {
  const [connection] = useState(() => connectionOf(user.id));

  async function signOut() {
    const unsent = connection.unsent();
    const changes = unsent === 1 ? "1 change is" : `${unsent} changes are`;
    if (unsent && !confirm(`${changes} not sent yet. Sign out and throw this away?`)) return;
    const { error } = await authClient.signOut();
    if (!error) await connection.forget();
  }

  return (
    <Provider value={connection.client}>
      <ConnectionContext value={connection}>
        <header className="bar">
          <img src="/icon.svg" alt="" />
          <h1>Tasks</h1>
          <Reach />
          <span className="who">{user.name}</span>
          <button className="quiet" onClick={signOut}>
            Sign out
          </button>
        </header>
        <Tasks />
      </ConnectionContext>
    </Provider>
  );
}

function Reach() {
  const isOnline = useOnline();
  return (
    <span role="status" className="reach">
      {!isOnline && "Offline. What you do is kept, and sent later."}
    </span>
  );
}
