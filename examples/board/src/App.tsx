import { useUser } from "bunbase-js/react";

import { Board } from "./Board.tsx";
import { client } from "./client.ts";
import { Notice } from "./Notice.tsx";
import { Welcome } from "./Welcome.tsx";

export function App() {
  const user = useUser(client.auth);
  return (
    <>
      {user ? <Board key={user.id} user={user} /> : <Welcome />}
      <Notice />
    </>
  );
}
