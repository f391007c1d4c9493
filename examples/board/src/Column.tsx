import type { Member } from "bunbase-js/live";
import type { DragEvent, FormEvent } from "react";

import { CardView } from "./CardView.tsx";
import { cards, type Presence } from "./client.ts";
import type { Card } from "./database.ts";
import { placeAt } from "./moves.ts";

interface Shown {
  name: Card["column"];
  title: string;
  all: readonly Card[];
  userId: string;
  others: readonly Member<Presence>[];
  editing: string | null;
  edit: (card: string | null) => void;
}

export function Column({ name, title, all, userId, others, editing, edit }: Shown) {
  const mine = all.filter(({ column }) => column === name);

  function add(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const text = String(new FormData(form).get("title")).trim();
    if (!text) return;
    void cards.create({ title: text, by: userId, ...placeAt(mine, name, mine.length) });
    form.reset();
  }

  /** Moves a card above the card under the pointer, or to the end. */
  function drop(event: DragEvent<HTMLElement>) {
    event.preventDefault();
    const moved = event.dataTransfer.getData("text/plain");
    const rest = mine.filter(({ _id }) => _id !== moved);
    const under = (event.target as Element).closest<HTMLElement>("[data-card]")?.dataset.card;
    const index = rest.findIndex(({ _id }) => _id === under);
    if (under !== moved && all.some(({ _id }) => _id === moved)) void cards.patch(moved, placeAt(rest, name, index < 0 ? rest.length : index));
  }

  return (
    <section aria-label={title} onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <h2>
        {title} <small>{mine.length}</small>
      </h2>
      <ul>
        {mine.map((card) => (
          <CardView key={card._id} card={card} all={all} others={others} editing={editing === card._id} edit={edit} />
        ))}
      </ul>
      <form onSubmit={add}>
        <input name="title" aria-label={`New card in ${title}`} placeholder="New card" maxLength={200} autoComplete="off" />
      </form>
    </section>
  );
}
