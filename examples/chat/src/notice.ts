/** A sentence on the page that explains what failed, or what to do next. */

import { useSyncExternalStore } from "react";

let text = "";
const listeners = new Set<() => void>();

/** Shows the message of a problem. */
export function notify(error: unknown): void {
  show(error instanceof Error ? error.message : String(error));
}

/** Shows a sentence to the person. An empty text removes the sentence. */
export function show(sentence: string): void {
  text = sentence;
  for (const listener of listeners) listener();
}

export function useNotice(): string {
  return useSyncExternalStore(listen, () => text);
}

function listen(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
