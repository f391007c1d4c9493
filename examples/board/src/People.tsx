import type { Member } from "bunbase-js/live";

import type { Presence } from "./client.ts";

/** Shows everybody who has the board open. A person with two devices appears once. */
export function People({ me, others }: { me: string; others: readonly Member<Presence>[] }) {
  const people = new Map(others.map(({ uid, data }) => [uid, data.name]));
  return (
    <ul className="people" aria-label="People">
      <li>{me} (you)</li>
      {[...people].map(([uid, name]) => (
        <li key={uid}>{name}</li>
      ))}
    </ul>
  );
}
