import type { Provider } from "bunbase-js/auth";
import { type FormEvent, useEffect, useState } from "react";

import { client } from "./client.ts";
import { notify, show } from "./notice.ts";

const here = location.origin;

/** The form for people who are not signed in: password, link by mail, passkey, or another service. */
export function SignIn() {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [providers, setProviders] = useState<Provider[]>([]);
  useEffect(() => void client.auth.providers().then(setProviders, notify), []);

  const attempt = (act: () => Promise<unknown>) => () => {
    show("");
    void act().catch(notify);
  };
  const signIn = attempt(() => client.auth.signIn({ email, password }));
  const signUp = attempt(async () => {
    if (!(await client.auth.signUp({ email, password, redirectTo: here }))) show("Look into your mailbox.");
  });
  const sendLink = attempt(async () => {
    await client.auth.sendLink(email, { redirectTo: here });
    show("Look into your mailbox.");
  });
  return (
    <main>
      <form className="signin" onSubmit={(event: FormEvent) => (event.preventDefault(), signIn())}>
        <h1>Chat</h1>
        <label>Email <input type="email" value={email} onChange={(event) => setEmail(event.target.value)} /></label>
        <label>Password <input type="password" value={password} onChange={(event) => setPassword(event.target.value)} /></label>
        <button>Sign in</button>
        <button type="button" onClick={signUp}>Sign up</button>
        <button type="button" onClick={sendLink}>Mail me a link</button>
        <button type="button" onClick={attempt(() => client.auth.signIn({ passkey: true }))}>Use a passkey</button>
        {providers.map(({ name, title }) => (
          <button key={name} type="button" onClick={attempt(() => client.auth.signInWith(name, { redirectTo: here }))}>Continue with {title}</button>
        ))}
      </form>
    </main>
  );
}
