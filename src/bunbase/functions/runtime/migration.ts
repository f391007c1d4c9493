/** Migrations: the export `migration`, whose `each` the host calls for every document of a collection. */

import type { Context, Handler } from "./context.ts";
import { describe } from "./errors.ts";

// Calls of migrations name this hook. contracts/functions/walks.py has the same name.
export const MIGRATE = "migrate";

type Result = Readonly<{ op?: "put" | "patch" | "delete"; data?: unknown; error?: string }>;
type Exported = Readonly<{ collection?: unknown; each?: unknown }>;

const MAX_ERROR = 500;

/**
 * Returns a handler that answers `{collection, results}`, with one result for each document of the body. If the call
 * for a document throws, its result has `error`. An empty result keeps the document unchanged.
 */
export function migrationOf(exported: unknown): Handler {
  return async (request: Request, context: Context) => {
    const { collection, each } = (exported ?? {}) as Exported;
    if (typeof collection !== "string" || typeof each !== "function") {
      throw new Error('This is no migration: export const migration = { collection: "…", each(document, ctx) { … } }');
    }
    const { documents } = (await request.json()) as { documents: unknown[] };
    const results: Result[] = [];
    for (const document of documents) {
      try {
        results.push(resultOf(await each.call(exported, document, context)));
      } catch (error) {
        console.error(error);
        results.push({ error: describe(error).split("\n")[0]?.slice(0, MAX_ERROR) ?? "" });
      }
    }
    return { collection, results };
  };
}

function resultOf(returned: unknown): Result {
  if (returned === undefined || returned === null) return {};
  const names = typeof returned === "object" ? Object.keys(returned) : [];
  const value = (returned as Record<string, unknown>)[names[0] ?? ""];
  if (names.length === 1 && names[0] === "delete" && value === true) return { op: "delete" };
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (names.length === 1 && names[0] === "patch" && isObject) return { op: "patch", data: value };
  if (names.length === 1 && names[0] === "replace" && isObject) return { op: "put", data: value };
  throw new TypeError("`each` returns { patch: {…} }, { replace: {…} }, { delete: true } or nothing.");
}
