import type { FormEvent } from "react";

export function AddTodo({ add, busy }: { add: (title: string) => Promise<boolean>; busy: boolean }) {
  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const title = String(new FormData(form).get("title")).trim();
    if (title && (await add(title))) form.reset(); // after a failure, the text stays in the field
  }

  return (
    <form className="add" onSubmit={(event) => void submit(event)}>
      <input name="title" aria-label="New todo" placeholder="What is to be done?" maxLength={200} autoComplete="off" required />
      <button disabled={busy}>Add</button>
    </form>
  );
}
