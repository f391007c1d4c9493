/**
 * Decides about writes to a collection. Name this function in bunbase.toml:
 *
 *     [collections.posts]
 *     before_write = { function = "<name>" }
 *
 * Then run: bunbase deploy. `bunbase logs <name>` shows why a call failed. docs/before-writes.md has more.
 *
 * The types below are the part that this file uses. The package @bunbase/functions has all: `const hooks: Hooks = { … }`.
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
  /** Before a document is written. Return { refuse: "text", code: "for_programs" }, or { patch }, or nothing. */
  beforeWrite({ before, next }: Write): Decision | undefined {
    if (before?.locked) return { refuse: "This post is locked.", code: "locked" };
    if (next?.title !== undefined) return { patch: { title: next.title.trim() } };
    return undefined;
  },
};
