"use client";

import { useRouter } from "next/navigation";
import { useActionState, useState } from "react";

import { authClient } from "@/lib/auth-client";

type Outcome = { sentence?: string; typed?: FormData };

export function SignIn() {
  const router = useRouter();
  const [isNew, setNew] = useState(false);
  const [{ sentence, typed }, enter, isBusy] = useActionState<Outcome, FormData>(async (_, form) => {
    const [name, email, password] = ["name", "email", "password"].map((field) => String(form.get(field)));
    try {
      const { error } = isNew
        ? await authClient.signUp.email({ name, email, password })
        : await authClient.signIn.email({ email, password });
      if (!error) router.refresh();
      return { sentence: error?.message, typed: form };
    } catch {
      return { sentence: "This page's server cannot be reached. Try again later.", typed: form };
    }
  }, {});
  // React empties a form after its action, also where it was refused.
  const before = (field: string) => String(typed?.get(field) ?? "");

  return (
    <main>
      <form action={enter}>
        {isNew && (
          <input
            name="name"
            aria-label="Name"
            placeholder="Name"
            autoComplete="name"
            defaultValue={before("name")}
            required
          />
        )}
        <input
          name="email"
          type="email"
          aria-label="E-mail"
          placeholder="E-mail"
          autoComplete="username"
          defaultValue={before("email")}
          required
        />
        <input
          name="password"
          type="password"
          aria-label="Password"
          placeholder="Password"
          autoComplete={isNew ? "new-password" : "current-password"}
          minLength={isNew ? 8 : undefined}
          required
        />
        <button disabled={isBusy}>{isNew ? "Create an account" : "Sign in"}</button>
      </form>
      <p role="alert">{sentence}</p>
      <button onClick={() => setNew(!isNew)}>{isNew ? "I have an account" : "I am new here"}</button>
    </main>
  );
}
