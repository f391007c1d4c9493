import type { Problem } from "bunbase-js";

/** Shows a problem. The message of a problem is for people, and contains the next step. */
export function Failure({ problem, again }: { problem: Problem | undefined; again?: () => void }) {
  if (!problem) return null;
  return (
    <p className="notice" role="alert">
      {problem.code === "network" ? "The server cannot be reached. Try again in a moment." : problem.message}{" "}
      {again && (
        <button type="button" onClick={again}>
          Try again
        </button>
      )}
    </p>
  );
}
