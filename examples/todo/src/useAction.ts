import { Problem } from "bunbase-js";
import { useState } from "react";

/** Runs one action after the other, and keeps the problem of the last action, so that the page can show it. */
export function useAction() {
  const [problem, setProblem] = useState<Problem>();
  const [busy, setBusy] = useState(false);

  async function run(action: () => Promise<unknown>): Promise<boolean> {
    setBusy(true);
    setProblem(undefined);
    try {
      await action();
      return true;
    } catch (error) {
      if (!Problem.is(error)) throw error; // a bug of this page, and not an answer of the server
      setProblem(error);
      return false;
    } finally {
      setBusy(false);
    }
  }

  return { run, busy, problem };
}
