import type { Problem } from "bunbase-js";

/** Shows a problem. Its message is for people, and names the next step. */
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
