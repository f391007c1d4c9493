import type { Hooks } from "@bunbase/functions";

import type { Database } from "../src/database.ts";

const BAD_WORDS = /\b(darn|heck|blast)\b/giu;

export const hooks: Hooks<Database> = {
  /** Hides bad words before a message is stored, whoever sends it. */
  beforeWrite(write) {
    if (write.collection !== "messages" || write.op === "delete") return;
    const text = write.next.text.replaceAll(BAD_WORDS, (word) => "*".repeat(word.length));
    if (text !== write.next.text) return { patch: { text } };
  },
};
