// Loaded for who is not signed in: Better Auth's client is in no other part of the page.
import { createAuthClient } from "better-auth/client";
import { useState, type FormEvent } from "react";
import { Field } from "./Field";
import { signedIn } from "./session";
import "./sign-in.css";

const auth = createAuthClient();

export default function SignIn() {
  return (
    <main className="sign-in">
      <img src="/icon.svg" alt="" width="48" height="48" />
      <SignInForm />
      <p className="promise">Works without a network. What you write stays on this device until it is sent.</p>
    </main>
  );
}

/** `email` is that of who was signed in here before: then there is no heading, and nobody new. */
export function SignInForm({ email: known }: { email?: string }) {
  const [isNew, setNew] = useState(false);
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<string>();

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const text = (name: string) => String(form.get(name));
    const [email, password] = [text("email"), text("password")];
    setBusy(true);
    setError(undefined);
    const { data, error } = await (
      isNew
        ? auth.signUp.email({ name: text("name"), email, password })
        : auth.signIn.email({ email, password })
    ).catch(() => ({ data: null, error: { message: "The server cannot be reached.", status: 0 } }));
    setBusy(false);
    if (data) signedIn(data.user);
    else setError(error?.message || "The server cannot be reached. Try again in a moment.");
  }

  return (
    <>
      {known === undefined && <h1>{isNew ? "Create an account" : "Sign in"}</h1>}
      <form onSubmit={submit}>
        {isNew && <Field label="Name" name="name" autoComplete="name" required autoFocus />}
        <Field
          label="E-mail"
          name="email"
          type="email"
          autoComplete="email"
          defaultValue={known}
          required
        />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete={isNew ? "new-password" : "current-password"}
          autoFocus={known !== undefined}
          required
        />
        {error && (
          <p role="alert" className="error">
            {error}
          </p>
        )}
        <button className="main" disabled={isBusy}>
          {isNew ? "Create account" : "Sign in"}
        </button>
      </form>
      {known === undefined && (
        <button type="button" className="quiet" onClick={() => setNew(!isNew)}>
          {isNew ? "I have an account" : "I am new here"}
        </button>
      )}
    </>
  );
}
