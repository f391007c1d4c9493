/** The client of the server, for all parts of the page. */

import { createClient } from "bunbase-js";
import { createLive } from "bunbase-js/live";

import type { Database } from "./database.ts";
import { notify } from "./notice.ts";

// a publishable key: everybody who has the page may know it
export const client = createClient<Database>(import.meta.env.VITE_BUNBASE_URL, import.meta.env.VITE_BUNBASE_KEY);
export const live = createLive(client, { onRefused: (_, problem) => notify(problem) });

export const rooms = live.collection("rooms");
export const members = live.collection("members");
export const messages = live.collection("messages");
export const invites = live.collection("invites");

/** Calls the function `rooms`, which adds people to a room and removes them. */
export async function changeRoom(change: { act: string; [field: string]: string }): Promise<{ _id: string }> {
  return (await client.functions.invoke("rooms", change)) as { _id: string };
}
