import { useUser } from "bunbase-js/react";

import { client } from "./client.ts";
import { SignIn } from "./SignIn.tsx";
import { Todos } from "./Todos.tsx";
import { useOnline } from "./useOnline.ts";

export function App() {
  const user = useUser(client.auth);
  const online = useOnline();
  return (
    <>
      {!online && (
        <p className="notice" role="status">
          You are offline. You stay signed in, and changes are possible again once you are back.
        </p>
      )}
      {user ? <Todos key={user.id} user={user} /> : <SignIn />}
    </>
  );
}
