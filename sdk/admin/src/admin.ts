/** One project, used by a server: access to every part of the project. */

import type { AnyDatabase, Call, Data, Schema } from "bunbase-js";
import { checkOptions, dataOf, invalidValue } from "bunbase-js/internal";
import { createLive, type Live } from "bunbase-js/live";
import { Auth } from "./auth.js";
import { type Change, type ChangesOptions, changesOf } from "./changes.js";
import { Channels } from "./channels.js";
import { Collections } from "./collections.js";
import { type Connection, search } from "./connection.js";
import { exported } from "./exporting.js";
import { CallableFunctions, Functions } from "./functions.js";
import { imported, type LineError } from "./importing.js";
import { Jobs, Schedules } from "./jobs.js";
import type { Lines } from "./parts.js";
import { RuleTests } from "./rules.js";
import type { ServiceToken } from "./service_tokens.js";
import { Users } from "./users.js";
import { Webhooks } from "./webhooks.js";

export interface Export extends Call {
  /** Exports only this collection. Without this option, each line also has the name of its collection. */
  collection?: string | undefined;
  /** The id of the last document that an earlier export has written; without a collection, `<collection>/<id>`. */
  after?: string | undefined;
}

export interface Import extends Call {
  /** The collection into which all lines go. Without this option, each line must have the name of its collection. */
  collection?: string | undefined;
  /** The mode for documents that already exist: `create` (the default) refuses the line. */
  mode?: "create" | "replace" | "skip" | undefined;
  /** The number of the first line that still has to be imported. Lines are counted from 1. */
  fromLine?: number | undefined;
  /** The client calls this function with each refused line, up to the first 100 refused lines of each part of 4 MiB. */
  onError?(error: LineError): void;
}

/** `unresolved`: lines that refer to documents which are still missing. */
export interface Imported {
  imported: number;
  skipped: number;
  failed: number;
  last_line: number;
  errors: LineError[];
  unresolved: number[];
}

/** Documents and functions with the rights of a user: rules apply. */
export interface Acting<D extends Schema<D> = AnyDatabase> {
  readonly data: Data<D>;
  readonly functions: CallableFunctions;
}

/** One project with the rights of a credential. `createAdmin` makes this client. */
export class Admin<D extends Schema<D> = AnyDatabase> {
  readonly auth: Auth;
  readonly channels: Channels;
  readonly collections: Collections;
  /** Documents, with the full rights of the credential: no rules apply. */
  readonly data: Data<D>;
  readonly functions: Functions;
  readonly jobs: Jobs;
  readonly rules: RuleTests;
  readonly schedules: Schedules;
  readonly users: Users;
  readonly webhooks = new Webhooks();
  readonly #connection: Connection;
  #live: Live<D> | undefined;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
    this.auth = new Auth(connection);
    this.channels = new Channels(connection);
    this.collections = new Collections(connection);
    this.data = dataOf<D>(connection.sender);
    this.functions = new Functions(connection);
    this.jobs = new Jobs(connection);
    this.rules = new RuleTests(connection);
    this.schedules = new Schedules(connection);
    this.users = new Users(connection);
  }

  /**
   * Live queries and channels, over one connection, with the full rights of the credential. The connection begins with
   * the first watch or channel. The connection ends two seconds after the last watch or channel has ended, or with
   * `close()`.
   *
   * ```ts
   * const stop = admin.live.collection("posts").watch({ where: { draft: true } }, ({ added }) => console.log(added.length));
   * const leave = admin.live.channel("rooms/7").join({ message: ({ data }) => console.log(data) });
   * ```
   */
  get live(): Live<D> {
    // the credential is in the headers of requests, and a socket cannot send headers
    return (this.#live ??= createLive<D>(this, { transports: ["sse", "poll"] }));
  }

  /**
   * Returns documents and functions with the rights of a user, or of a visitor who is not signed in (`null`). The rules
   * apply to them, with the user's present role and claims. Calling functions needs the scope `users:write`.
   *
   * ```ts
   * const { items } = await admin.as(uid).data.collection("posts").query({ limit: 20 });
   * ```
   */
  as(uid: string | null): Acting<D> {
    const sender = this.#connection.acting(uid);
    return { data: dataOf<D>(sender), functions: new CallableFunctions(this.#connection, sender) };
  }

  /**
   * Returns all documents as lines of JSON, in the form that `import` takes. If the stream breaks, it throws a problem:
   * pass its `body.after` to another export to continue.
   *
   * ```ts
   * const lines = await admin.export({ collection: "posts" });
   * await writeFile("posts.ndjson", lines);
   * ```
   */
  async export({ collection, after, ...call }: Export = {}): Promise<ReadableStream<Uint8Array>> {
    const position = (line: Record<string, unknown>) =>
      collection === undefined ? `${line["collection"]}/${(line["document"] as { _id: string })._id}` : line["_id"];
    return exported(this.#connection, this.#connection.ofBoth("export"), { collection, after }, call, position);
  }

  /**
   * Imports lines of JSON, or objects, in parts of 4 MiB. If the server refuses a line, it still imports the other
   * lines. If the import itself stops, the problem has `body.last_line`: send the rest with `fromLine`. `timeoutMs` is
   * the time of one part.
   *
   * ```ts
   * const { imported, failed } = await admin.import(createReadStream("posts.ndjson"), {
   *   collection: "posts",
   *   mode: "skip",
   *   onError: ({ line, detail }) => console.warn(line, detail),
   * });
   * ```
   */
  async import(lines: Lines, { collection, mode, ...options }: Import = {}): Promise<Imported> {
    const address = this.#connection.ofBoth("import") + search({ collection, mode });
    const repeatable = mode === "skip" || mode === "replace";
    return imported<Imported>(this.#connection, address, lines, { ...options, repeatable });
  }

  /**
   * Yields the changes of documents after `since`, and with `follow` also all future changes. To continue later, store
   * the `seq` of the last change. Throws `resync_required` if the server no longer keeps the changes after `since`:
   * read the collections again, and continue with `since: error.body.last`. If the signal is aborted, the loop throws a
   * problem `aborted`.
   *
   * ```ts
   * for await (const change of admin.changes({ since: 0, follow: true, signal })) {
   *   console.log(change.op, change.collection, change.id);
   * }
   * ```
   */
  changes(options: ChangesOptions = {}): AsyncGenerator<Change, void, void> {
    return changesOf(this.#connection, options);
  }

  /**
   * Returns a token with fewer scopes, for another program. The token is valid for ten minutes. The program can use the
   * token in place of a secret key, and also as the credential of `createAdmin`.
   *
   * ```ts
   * const { value, expiresAt } = await admin.token({ scopes: ["data:posts:read"] });
   * ```
   */
  async token({ scopes, ...rest }: { scopes: readonly string[] }): Promise<ServiceToken> {
    checkOptions(rest);
    // without a list, the token would have all scopes
    if (!Array.isArray(scopes)) throw invalidValue("scopes", "Pass a list of scopes, such as data:posts:read.");
    return this.#connection.token(scopes);
  }
}
