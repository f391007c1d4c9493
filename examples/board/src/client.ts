/** The client of the server, for all parts of the page. */

import { createClient } from "bunbase-js";
import { createLive, indexedDBCache } from "bunbase-js/live";

import type { Database } from "./database.ts";
import { say } from "./notice.ts";

/** The part of a person that others see: the name, and the card that the person edits. */
export interface Presence {
  name: string;
  card: string | null;
}

// a publishable key: everybody who has the page may know it
export const client = createClient<Database>(import.meta.env.VITE_BUNBASE_URL, import.meta.env.VITE_BUNBASE_KEY);

export const live = createLive(client, {
  cache: indexedDBCache(), // shows the board at once at the next visit, and keeps changes made without a network
  onRefused: (write, problem) => say(`The card was not ${write.op === "delete" ? "deleted" : "saved"}. ${problem.message}`),
});

export const cards = live.collection("cards");
export const board = live.channel("board");
