import { useSyncExternalStore } from "react";

let text = "";
const hearers = new Set<() => void>();

/** Shows a sentence to the person. An empty text removes the sentence. */
export function say(sentence: string): void {
  text = sentence;
  for (const hear of hearers) hear();
}

export function useNotice(): string {
  return useSyncExternalStore(listen, () => text);
}

function listen(hear: () => void): () => void {
  hearers.add(hear);
  return () => hearers.delete(hear);
}
