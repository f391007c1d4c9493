/** `ctx.data` and `ctx.enqueue`: send requests about documents and jobs to the host. */

import type {
  AggregateOptions,
  AnyDocument,
  Context,
  Data,
  Job,
  Query,
  Write,
  WriteOptions,
} from "./context.ts";
import { decodeText, encodeText } from "./frames.ts";

/** The rights of a request: those of the project, of the signed-in user, or of a visitor who is not signed in. */
export type Power = "project" | "caller" | "visitor";

/** Sends one ask to the host and returns the bytes of the reply. */
export type AskBytes = (method: string, args: unknown, body?: Uint8Array) => Promise<Uint8Array>;

export function dataOf(ask: AskBytes, as: Power): Data {
  const asked = async (method: string, args: object, body?: unknown): Promise<unknown> => {
    const sent = body === undefined ? undefined : encodeText(textOf(body));
    const bytes = await ask(`data.${method}`, { as, ...args }, sent);
    return bytes.length === 0 ? undefined : JSON.parse(decodeText(bytes));
  };
  const when = ({ ifRev = null, ifAbsent = false }: { ifRev?: number | null; ifAbsent?: boolean } = {}) => ({
    if_rev: ifRev,
    if_absent: ifAbsent,
  });
  return Object.freeze({
    get: (collection: string, id: string) => asked("get", { collection, id }),
    list: (collection: string, options: { limit?: number; cursor?: string | null } = {}) =>
      asked("list", { collection }, options),
    query: (collection: string, query: Query = {}) => asked("query", { collection }, query),
    aggregate: (collection: string, options: AggregateOptions) => asked("aggregate", { collection }, options),
    create: (collection: string, document: AnyDocument) => asked("create", { collection }, document),
    put: (collection: string, id: string, document: AnyDocument, options?: WriteOptions) =>
      asked("put", { collection, id, ...when(options) }, document),
    patch: (collection: string, id: string, patch: AnyDocument, options?: WriteOptions) =>
      asked("patch", { collection, id, ...when(options) }, patch),
    delete: (collection: string, id: string, options?: WriteOptions) =>
      asked("delete", { collection, id, ...when(options) }),
    commit: (writes: readonly Write[]) => asked("commit", {}, { writes }),
  }) as Data;
}

export function enqueueOf(ask: AskBytes): Context["enqueue"] {
  return async (name, payload = null, { run_at, ...options } = {}) => {
    textOf(payload); // JSON would leave out a symbol or a function, and the job would get null.
    const at = run_at instanceof Date ? run_at.toISOString() : run_at;
    const bytes = await ask("enqueue", {}, encodeText(textOf({ function: name, payload, run_at: at, ...options })));
    return JSON.parse(decodeText(bytes)) as Job;
  };
}

export function textOf(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new TypeError("This value cannot be written as JSON.");
  return text;
}
