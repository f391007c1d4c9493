import type { Member } from "bunbase-js/live";
import type { KeyboardEvent } from "react";

import { cards, type Presence } from "./client.ts";
import type { Card } from "./database.ts";
import { placeByKey } from "./moves.ts";

interface Shown {
  card: Card;
  all: readonly Card[];
  others: readonly Member<Presence>[];
  editing: boolean;
  edit: (card: string | null) => void;
}

const HELP = "Arrow keys move it, Enter edits it, Delete deletes it.";

export function CardView({ card, all, others, editing, edit }: Shown) {
  const editors = others.filter(({ data }) => data.card === card._id).map(({ data }) => data.name);

  function press(event: KeyboardEvent<HTMLElement>) {
    if (event.target !== event.currentTarget) return;
    const place = placeByKey(event.key, card, all);
    if (place) void cards.patch(card._id, place);
    else if (event.key === "Enter") edit(card._id);
    else if (event.key === "Delete") void cards.delete(card._id);
    else return;
    event.preventDefault();
  }

  /** Ends the editing. Without a new title, nothing is written. */
  function finish(title: string) {
    edit(null);
    if (title && title !== card.title) void cards.patch(card._id, { title });
  }

  if (editing)
    return (
      <li className="card">
        <input
          aria-label="Title"
          defaultValue={card.title}
          maxLength={200}
          autoFocus
          onBlur={(event) => finish(event.target.value.trim())}
          onKeyDown={(event) => (event.key === "Enter" ? event.currentTarget.blur() : event.key === "Escape" && edit(null))}
        />
      </li>
    );
  return (
    <li
      className="card"
      data-card={card._id}
      aria-keyshortcuts="ArrowLeft ArrowRight ArrowUp ArrowDown Enter Delete"
      title={HELP}
      tabIndex={0}
      draggable
      onDragStart={(event) => event.dataTransfer.setData("text/plain", card._id)}
      onDoubleClick={() => edit(card._id)}
      onKeyDown={press}
    >
      {card.title}
      {editors.length > 0 && <em>{editors.join(", ")} …</em>}
      <button type="button" aria-label={`Delete ${card.title}`} onClick={() => void cards.delete(card._id)}>
        ×
      </button>
    </li>
  );
}
