import { Problem } from "bunbase-js";
import { useState } from "react";

/** Runs one action after another, and keeps the problem of the last one for the page to show. */
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
      if (!Problem.is(error)) throw error; // a mistake in this page, and not an answer
      setProblem(error);
      return false;
    } finally {
      setBusy(false);
    }
  }

  return { run, busy, problem };
}
