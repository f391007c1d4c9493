import type { User } from "bunbase-js";
import { useChannel, useLive } from "bunbase-js/react";
import { useState } from "react";

import { board, cards, client, type Presence } from "./client.ts";
import { Column } from "./Column.tsx";
import { COLUMNS } from "./moves.ts";
import { People } from "./People.tsx";

export function Board({ user }: { user: User }) {
  const [editing, setEditing] = useState<string | null>(null);
  const { items, loading, state, pending, problem } = useLive(cards, { sort: ["place"], limit: 500 });
  const { members } = useChannel<Presence>(board, { presence: { name: String(user.data.name), card: editing } });
  const others = members.filter(({ uid }) => uid !== user.id);

  return (
    <>
      <header>
        <h1>Board</h1>
        <p role="status">{state === "offline" ? "You are offline. Your changes are kept." : pending ? "Saving …" : ""}</p>
        <People me={String(user.data.name)} others={others} />
        <button type="button" onClick={() => void client.auth.signOut()}>
          Leave
        </button>
      </header>
      {problem && <p role="alert">{problem.message}</p>}
      <main className="board" aria-busy={loading}>
        {COLUMNS.map(([name, title]) => (
          <Column key={name} name={name} title={title} all={items} userId={user.id} others={others} editing={editing} edit={setEditing} />
        ))}
      </main>
    </>
  );
}
