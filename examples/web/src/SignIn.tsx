import { useState, type FormEvent } from "react";
import { authClient } from "./auth";
import { UNREACHABLE } from "./failures";
import { Field } from "./Field";

export function SignIn() {
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
    const { error } = await (
      isNew
        ? authClient.signUp.email({ name: text("name"), email, password })
        : authClient.signIn.email({ email, password })
    ).catch(() => ({ error: { message: UNREACHABLE } }));
    setBusy(false);
    if (error) setError(error.message ?? "That did not work.");
  }

  return (
    <main className="sign-in">
      <img src="/icon.svg" alt="" />
      <h1>{isNew ? "Create an account" : "Sign in"}</h1>
      <form onSubmit={submit}>
        {isNew && <Field label="Name" name="name" autoComplete="name" required autoFocus />}
        <Field label="E-mail" name="email" type="email" autoComplete="email" required />
        <Field
          label="Password"
          name="password"
          type="password"
          autoComplete={isNew ? "new-password" : "current-password"}
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
      <button className="quiet" onClick={() => setNew(!isNew)}>
        {isNew ? "I have an account" : "I am new here"}
      </button>
    </main>
  );
}
