/**
 * A migration: the server calls `each` for every document of the collection, once.
 *
 *     bunbase migrations run --dry-run    shows counts and some changes; writes nothing
 *     bunbase migrations run              runs it; the server continues if you close the terminal
 *
 * This file declares only the types that it uses. @bunbase/functions has all types: `const migration: Migration<Post>`.
 */

type Document = Readonly<Record<string, unknown>> & Readonly<{ _id: string; _rev: number }>;
type Result = { patch: Record<string, unknown> } | { replace: Record<string, unknown> } | { delete: true } | undefined;

export const migration = {
  collection: "<collection>",

  /** Return { patch }, { replace } or { delete: true }; or nothing, which keeps the document as it is. */
  each(document: Document): Result {
    if (document["title"] !== undefined) return undefined; // documents that new code wrote are visited too
    return { patch: { title: "Untitled" } };
  },
};
