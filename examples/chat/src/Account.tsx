import type { User } from "bunbase-js/auth";
import { useEffect, useState } from "react";

import { client, live } from "./client.ts";
import { notify, show } from "./notice.ts";

export function Account({ user }: { user: User }) {
  const [state, setState] = useState(live.state);
  useEffect(() => live.onState(setState), []);
  const addPasskey = () => client.auth.passkeys.register("this device").then(() => show("This device has a passkey."));
  return (
    <header>
      <h1>Chat</h1>
      <strong>{user.name || user.email}</strong> {state === "offline" && <em>You are offline. Your messages are kept.</em>}
      <button type="button" onClick={() => void addPasskey().catch(notify)}>Add a passkey</button>
      <button type="button" onClick={() => void client.auth.signOut().catch(() => undefined)}>Sign out</button>
    </header>
  );
}
