import type { Problem } from "bunbase-js";
import type { FormEvent } from "react";

import { client } from "./client.ts";
import { say } from "./notice.ts";

export function Welcome() {
  function enter(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name")).trim();
    if (name) client.auth.signIn({ anonymous: true, data: { name } }).catch((problem: Problem) => say(problem.message));
  }

  return (
    <main className="welcome">
      <h1>Board</h1>
      <form onSubmit={enter}>
        <label>
          Your name
          <input name="name" maxLength={40} autoComplete="nickname" required autoFocus />
        </label>
        <button>Enter</button>
      </form>
    </main>
  );
}
