/**
 * Decides about writes to a collection. Name this function in bunbase.toml:
 *
 *     [collections.posts]
 *     before_write = { function = "<name>" }
 *
 * Then run: bunbase deploy. `bunbase logs <name>` shows why a call failed. docs/before-writes.md describes more.
 *
 * This file declares only the types that it uses. @bunbase/functions has all types: `const hooks: Hooks = { … }`.
 */

interface Post {
  title?: string;
  locked?: boolean;
}

interface Write {
  op: "create" | "update" | "delete";
  before: Post | null;
  next: Post | null;
}

type Decision = { refuse: string; code?: string } | { patch: Post };

export const hooks = {
  /** Runs before a document is written. Return { refuse: "text", code: "for_programs" }, or { patch }, or nothing. */
  beforeWrite({ before, next }: Write): Decision | undefined {
    if (before?.locked) return { refuse: "This post is locked.", code: "locked" };
    if (next?.title !== undefined) return { patch: { title: next.title.trim() } };
    return undefined;
  },
};
