/** The functions of the project: calls, deployments, logs and metrics. */

import type { Call, FetchOptions, Functions as Called, InvokeOptions, Json, Listed } from "bunbase-js";
import { answerOf, functionsOf, invalidValue, type Sender } from "bunbase-js/internal";
import { type Connection, type PageCall, search } from "./connection.js";
import { type FollowOptions, followed, type LogLine, type LogOptions, stored } from "./logs.js";

/** The callers of a function: everybody, callers with a key, signed-in users, or servers with the secret key. */
export type Access = "public" | "key" | "user" | "secret";

/**
 * The settings of a version. `on`: the changes of documents and files that run the function. `max_batch`: the maximum
 * number of changes in one call.
 */
export interface FunctionConfig {
  access?: Access;
  timeout_ms?: number;
  cpu_ms?: number;
  memory_mb?: number;
  concurrency?: number;
  allow_net?: readonly string[];
  schedule?: string | { cron: string; time_zone?: string; overlap?: boolean } | null;
  on?: readonly Readonly<Record<string, unknown>>[];
  max_batch?: number | null;
}

/** `bundle`: one JavaScript file with everything that it imports, as `bunbase deploy` makes it. */
export interface Deployment {
  bundle: string | Uint8Array | Blob;
  sourceMap?: string | Uint8Array | Blob | undefined;
  config?: FunctionConfig | undefined;
}

export interface Version {
  name: string;
  version: number;
  active: boolean;
  config: FunctionConfig;
  created_at: string;
  created_by: string;
  sha256: string;
  size: number;
}

export type Trigger = "change" | "cron" | "hook" | "job";

export interface Run {
  id: string;
  function: string;
  version: number;
  kind: Trigger;
  outcome: "crash" | "error" | "lost" | "ok" | "resync" | "skipped" | "timeout";
  attempt: number;
  invocation: string;
  job: string | null;
  code: string | null;
  started_at: string;
  duration_ms: number;
  /** The number of changes in the batch; `job` is the id of the first job of the batch. */
  events?: number;
}

export interface RunQuery extends PageCall {
  kind?: Trigger | undefined;
  outcome?: Run["outcome"] | undefined;
}

export interface Numbers {
  calls: number;
  errors: number;
  refused: number;
  cold_starts: number;
  cpu_ms: number;
  memory_peak_mb: number;
  p50_ms: number | null;
  p95_ms: number | null;
}

export interface Stats extends Numbers {
  hours: (Numbers & { hour: string })[];
}

/** Calls functions with the rights of a credential, or of a user. */
export class CallableFunctions {
  readonly #called: Called;
  readonly #check: () => void;

  /** @internal */
  constructor(connection: Connection, sender: Sender) {
    this.#called = functionsOf(sender);
    this.#check = () => connection.checkCallsFunctions();
  }

  /**
   * Calls a function with a JSON value, and returns its response: JSON, a text, or undefined for an empty response.
   * Throws a problem if the status is not 2xx. With `retries`, a failed call is repeated, and the function still runs
   * only once.
   *
   * ```ts
   * const { total } = await admin.functions.invoke<{ total: number }>("checkout", { basket: "b1" }, { retries: 2 });
   * ```
   */
  async invoke<R = unknown>(name: string, body?: Json, options?: InvokeOptions): Promise<R> {
    this.#check();
    return this.#called.invoke<R>(name, body, options);
  }

  /**
   * Calls a function in the same way as `fetch`. The call throws only if there is no answer.
   *
   * ```ts
   * const response = await admin.functions.fetch("report", { method: "GET", path: "/2026.pdf" });
   * ```
   */
  async fetch(name: string, options?: FetchOptions): Promise<Response> {
    this.#check();
    return this.#called.fetch(name, options);
  }
}

/** All methods except `invoke` and `fetch` are for members, and need a personal access token. */
export class Functions extends CallableFunctions {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    super(connection, connection.sender);
    this.#connection = connection;
  }

  /**
   * Returns one page of the functions, each with its active version.
   *
   * ```ts
   * const { items } = await admin.functions.list();
   * ```
   */
  async list({ limit, cursor, ...call }: PageCall = {}): Promise<Listed<Version>> {
    return this.#connection.read(this.#at() + search({ limit, cursor }), call);
  }

  /**
   * Returns the active version of a function. Throws `function_not_found`.
   *
   * ```ts
   * const { version, config } = await admin.functions.get("hello");
   * ```
   */
  async get(name: string, call?: Call): Promise<Version> {
    return this.#connection.read(this.#at(name), call);
  }

  /**
   * Deploys a version, and makes it the active one. No call fails meanwhile.
   *
   * ```ts
   * const { version } = await admin.functions.deploy("hello", {
   *   bundle: "module.exports.default = () => 'Hello';",
   *   config: { access: "key" },
   * });
   * ```
   */
  async deploy(name: string, { bundle, sourceMap, config }: Deployment, call?: Call): Promise<Version> {
    const form = new FormData();
    form.append("bundle", blob(bundle, "text/javascript"), `${name}.js`);
    if (sourceMap !== undefined) form.append("source_map", blob(sourceMap, "application/json"), `${name}.js.map`);
    if (config) form.append("config", JSON.stringify(config));
    return this.#connection.send({ method: "PUT", path: this.#at(name), raw: form }, call);
  }

  /**
   * Makes an earlier version active: the version before the active version, or the version that you name.
   *
   * ```ts
   * await admin.functions.rollback("hello", 3);
   * ```
   */
  async rollback(name: string, version?: number, call?: Call): Promise<Version> {
    return this.#connection.send({ method: "POST", path: this.#at(name, "rollback"), body: { version } }, call);
  }

  /**
   * Deletes a function with its versions.
   *
   * ```ts
   * await admin.functions.delete("hello");
   * ```
   */
  async delete(name: string, call?: Call): Promise<void> {
    await this.#connection.send({ method: "DELETE", path: this.#at(name) }, call);
  }

  /**
   * Returns one page of the versions of a function, the newest first.
   *
   * ```ts
   * const { items } = await admin.functions.versions("hello");
   * ```
   */
  async versions(name: string, { limit, cursor, ...call }: PageCall = {}): Promise<Listed<Version>> {
    return this.#connection.read(this.#at(name, "versions") + search({ limit, cursor }), call);
  }

  /**
   * Returns the code of a version.
   *
   * ```ts
   * const code = await admin.functions.bundle("hello", 3);
   * ```
   */
  async bundle(name: string, version: number, call: Call = {}): Promise<string> {
    const address = this.#at(name, "versions", String(version), "bundle");
    return this.#connection.sender.sent({ method: "GET", path: address, repeatable: true }, call, async (response, text) => {
      if (!response.ok) throw answerOf(response, await text());
      return text();
    });
  }

  /**
   * Returns one page of the runs that no request has caused: schedules, jobs, changes.
   *
   * ```ts
   * const { items } = await admin.functions.runs("hello", { outcome: "error" });
   * ```
   */
  async runs(name: string, { kind, outcome, limit, cursor, ...call }: RunQuery = {}): Promise<Listed<Run>> {
    return this.#connection.read(this.#at(name, "runs") + search({ kind, outcome, limit, cursor }), call);
  }

  /**
   * Returns how often a function was called, how long it took, and how often it failed.
   *
   * ```ts
   * const { calls, errors, p95_ms } = await admin.functions.stats("hello", { hours: 24 });
   * ```
   */
  async stats(name: string, { hours, ...call }: { hours?: number } & Call = {}): Promise<Stats> {
    return this.#connection.read(this.#at(name, "stats") + search({ hours }), call);
  }

  /**
   * Yields the lines that one function, or all functions, wrote to the console, newest first. With `follow`, it yields
   * new lines as they are written, oldest first. If the connection breaks, the client connects again, and continues
   * after the last line.
   *
   * ```ts
   * for await (const line of admin.functions.logs("hello", { level: "warn", most: 100 })) console.log(line.at, line.text);
   * for await (const line of admin.functions.logs(null, { follow: true, signal })) console.log(line.function, line.text);
   * ```
   */
  logs(name?: string | null, options: LogOptions | FollowOptions = {}): AsyncGenerator<LogLine, void, void> {
    if (name === "") throw invalidValue("name", "The name of a function is not empty. Pass null for all functions.");
    const connection = this.#connection;
    const address = name ? this.#at(name, "logs") : connection.ofMembers("logs");
    return options.follow ? followed(connection, address, options) : stored(connection, address, options);
  }

  #at(...parts: string[]): string {
    return this.#connection.ofMembers("functions", ...parts);
  }
}

function blob(content: string | Uint8Array | Blob, type: string): Blob {
  return content instanceof Blob ? content : new Blob([content as BlobPart], { type });
}
