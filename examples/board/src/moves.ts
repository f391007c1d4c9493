/** Columns, and the positions of cards in them. To move a card, the page changes only this card. */

import type { Card } from "./database.ts";

export const COLUMNS = [
  ["todo", "To do"],
  ["doing", "Doing"],
  ["done", "Done"],
] as const;

export type Place = Pick<Card, "column" | "place">;

/** Returns the position number for a card at this index among the other cards of a column. */
export function placeAt(cards: readonly Card[], column: Card["column"], index: number): Place {
  const [before, after] = [cards[index - 1]?.place, cards[index]?.place];
  const apart = 0.5 + Math.random(); // random: two people may add a card at the same time
  if (before === undefined) return { column, place: (after ?? 1) - apart };
  return { column, place: after === undefined ? before + apart : (before + after) / 2 };
}

/** Returns the position to which an arrow key moves a card, or undefined. */
export function placeByKey(key: string, card: Card, all: readonly Card[]): Place | undefined {
  const others = (column: Card["column"]) => all.filter((other) => other.column === column && other._id !== card._id);
  const index = others(card.column).filter((other) => other.place < card.place).length;
  const [steps, along] = [{ ArrowLeft: -1, ArrowRight: 1 }[key], { ArrowUp: -1, ArrowDown: 1 }[key]];
  const column = COLUMNS[COLUMNS.findIndex(([name]) => name === card.column) + (steps ?? 0)]?.[0];
  if (steps) return column && placeAt(others(column), column, Math.min(index, others(column).length));
  return along === undefined ? undefined : placeAt(others(card.column), card.column, Math.max(0, index + along));
}
