import { useState } from "react";
import { Provider } from "urql";
import { authClient } from "./auth";
import { createClient } from "./client";
import { SignIn } from "./SignIn";
import { Tasks } from "./Tasks";

export function App() {
  const { data: session, isPending } = authClient.useSession();
  // Later checks of the session, as when the window is looked at again, must not take a form away.
  const [isKnown, setKnown] = useState(false);
  if (!isPending && !isKnown) setKnown(true);
  if (!isKnown) return null;
  return session ? <SignedIn key={session.user.id} name={session.user.name} /> : <SignIn />;
}

function SignedIn({ name }: { name: string }) {
  const [client] = useState(createClient);
  return (
    <Provider value={client}>
      <header className="bar">
        <img src="/icon.svg" alt="" />
        <h1>Tasks</h1>
        <span className="who">{name}</span>
        <button className="quiet" onClick={() => authClient.signOut()}>
          Sign out
        </button>
      </header>
      <Tasks />
    </Provider>
  );
}
