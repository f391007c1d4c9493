import { type FormEvent, useState } from "react";

import { client } from "./client.ts";
import { Failure } from "./Failure.tsx";
import { useAction } from "./useAction.ts";

export function SignIn() {
  const [fresh, setFresh] = useState(false);
  const { run, busy, problem } = useAction();

  function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const person = { email: String(form.get("email")), password: String(form.get("password")) };
    void run(() => (fresh ? client.auth.signUp(person) : client.auth.signIn(person)));
  }

  return (
    <>
      <h1>{fresh ? "Create an account" : "Sign in"}</h1>
      <form className="sign-in" onSubmit={submit}>
        <label>
          Email
          <input name="email" type="email" autoComplete="username" required />
        </label>
        <label>
          Password
          <input name="password" type="password" autoComplete={fresh ? "new-password" : "current-password"} required />
        </label>
        <Failure problem={problem} />
        <button disabled={busy}>{fresh ? "Create the account" : "Sign in"}</button>
        <button type="button" onClick={() => setFresh(!fresh)}>
          {fresh ? "I have an account" : "I am new here"}
        </button>
      </form>
    </>
  );
}
