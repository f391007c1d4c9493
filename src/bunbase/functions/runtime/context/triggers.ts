/** Calls that no request has caused, and jobs: `ctx.trigger`, `ctx.enqueue` and the bodies of changes. */

import type { AnyDocument, System } from "./data.ts";

/**
 * The cause of a call that no request has caused. `due_at`: the planned time, as RFC 3339. `job`: the id of the job;
 * empty if BunBase waits for the answer of a hook.
 */
export type Trigger = Readonly<{ kind: "cron" | "job" | "change" | "hook"; job: string; attempt: number; due_at: string }>;

/**
 * A change of a document. `document`: the present content, which may be newer than `rev`; missing if the document was
 * deleted. `before`: the content before an update or delete, if the collection has `before_images`.
 */
export type Change<T = AnyDocument & System> = Readonly<
  { op: "create" | "update" | "delete"; collection: string; id: string; rev: number; at: string } & { document?: T; before?: T }
>;

/**
 * The body of a call with changes, if the function has `max_batch`. The changes are in the order in which they were
 * made.
 */
export type ChangeBatch<T = AnyDocument & System> = Readonly<{ events: readonly (Change<T> & Readonly<{ job: string }>)[] }>;

/**
 * A change of a file. The properties are those of the file after the change; after a `delete`, those of the deleted
 * file. A move is a `delete` of the source, then a `create` or `update` of the target.
 */
export type FileChange = Readonly<{
  op: "create" | "update" | "delete";
  bucket: string;
  key: string;
  etag: string;
  size: number;
  content_type: string;
  owner: string | null;
  at: string;
}>;

/** The same as ChangeBatch, for a function that follows files. */
export type FileChangeBatch = Readonly<{ events: readonly (FileChange & Readonly<{ job: string }>)[] }>;

/**
 * `key`: while a job of this function with the same key waits or runs, BunBase creates no second job. `attempts`: at
 * most 20.
 */
export type EnqueueOptions = Readonly<{
  delay_seconds?: number;
  run_at?: Date | string;
  key?: string;
  attempts?: number;
}>;

export type Job = Readonly<{
  id: string;
  function: string;
  state: "waiting" | "blocked" | "running" | "dead";
  due_at: string;
  key?: string;
}>;
