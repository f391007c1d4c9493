import type { User } from "bunbase-js";
import { useQuery } from "bunbase-js/react";
import { useRef, useState } from "react";

import { AddTodo } from "./AddTodo.tsx";
import { client, todos } from "./client.ts";
import { Failure } from "./Failure.tsx";
import { TodoRow } from "./TodoRow.tsx";
import { useAction } from "./useAction.ts";

const PAGE = 50;
const MOST = 500; // the server's limit for one page

export function Todos({ user }: { user: User }) {
  const [limit, setLimit] = useState(PAGE);
  const [said, setSaid] = useState("");
  const heading = useRef<HTMLHeadingElement>(null);
  const { page, problem, loading, reload } = useQuery(todos, { sort: ["_created"], limit });
  const action = useAction();

  /** Runs a change, announces it to screen readers, and reads the list again. */
  async function change(act: () => Promise<string>): Promise<boolean> {
    const done = await action.run(async () => setSaid(await act()));
    reload(); // also after a failure: the list may be out of date
    return done;
  }

  async function clear(): Promise<string> {
    const { cleared } = await client.functions.invoke<{ cleared: number }>("clear-done");
    heading.current?.focus(); // the button that had the focus no longer exists
    return `${cleared} done todos are deleted.`;
  }

  return (
    <>
      <header>
        <h1 ref={heading} tabIndex={-1}>
          Todos
        </h1>
        <span>{user.email}</span>
        <button type="button" onClick={() => void action.run(() => client.auth.signOut())}>
          Sign out
        </button>
      </header>
      <AddTodo busy={action.busy} add={(title) => change(async () => (await todos.create({ owner: user.id, title, done: false }), `${title} is added.`))} />
      <Failure problem={action.problem} />
      <Failure problem={problem} again={reload} />
      <p className="hidden" role="status">
        {said}
      </p>
      {!page && loading && <p role="status">Loading…</p>}
      {page?.items.length === 0 && <p>There is nothing to do.</p>}
      <ul aria-label="Todos" aria-busy={loading}>
        {page?.items.map((todo) => (
          <TodoRow key={todo._id} todo={todo} change={change} deleted={() => heading.current?.focus()} />
        ))}
      </ul>
      {page?.next && limit < MOST && (
        <button type="button" onClick={() => setLimit(limit + PAGE)}>
          Show more
        </button>
      )}
      {page?.items.some((todo) => todo.done) && (
        <button type="button" disabled={action.busy} onClick={() => void change(clear)}>
          Delete the done ones
        </button>
      )}
    </>
  );
}
