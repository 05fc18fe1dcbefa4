"use client";

import { useRouter } from "next/navigation";
import { useState } from "react";

import { authClient } from "@/lib/auth-client";

export function SignIn() {
  const router = useRouter();
  const [isNew, setNew] = useState(false);
  const [sentence, setSentence] = useState<string>();

  async function enter(form: FormData) {
    const [name, email, password] = ["name", "email", "password"].map((field) => String(form.get(field)));
    const { error } = isNew
      ? await authClient.signUp.email({ name, email, password })
      : await authClient.signIn.email({ email, password });
    if (error) setSentence(error.message);
    else router.refresh();
  }

  return (
    <main>
      <form action={enter}>
        {isNew && <input name="name" aria-label="Name" placeholder="Name" required />}
        <input name="email" type="email" aria-label="E-mail" placeholder="E-mail" required />
        <input name="password" type="password" aria-label="Password" placeholder="Password" required />
        <button>{isNew ? "Create an account" : "Sign in"}</button>
      </form>
      <p role="alert">{sentence}</p>
      <button onClick={() => setNew(!isNew)}>{isNew ? "I have an account" : "I am new here"}</button>
    </main>
  );
}
