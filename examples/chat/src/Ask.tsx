import { type FormEvent, useState } from "react";

import { notify } from "./notice.ts";

/** A field that submits its text on Enter. If this fails, the text stays in the field. */
export function Ask({ label, onAnswer, onType }: { label: string; onAnswer(text: string): unknown; onType?(text: string): void }) {
  const [text, setText] = useState("");
  const type = (next: string) => (setText(next), onType?.(next));
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!text.trim()) return;
    type("");
    try {
      await onAnswer(text.trim());
    } catch (error) {
      setText(text);
      notify(error);
    }
  };
  return (
    <form onSubmit={(event) => void submit(event)}>
      <input aria-label={label} placeholder={label} value={text} onChange={(event) => type(event.target.value)} />
    </form>
  );
}
