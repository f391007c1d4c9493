/** The collections of the project: indexes, rules, schemas. */

import type { Call } from "bunbase-js";
import { path } from "bunbase-js/internal";
import { type Connection, search } from "./connection.js";

/** The sources of rules, in CEL. `hidden`: for the path of a field, a rule that hides it from readers. */
export interface Rules {
  list?: string | null;
  get?: string | null;
  create?: string | null;
  update?: string | null;
  delete?: string | null;
  hidden?: Readonly<Record<string, string>>;
}

/** `type: "text"`: for searches by words. Other indexes have keys; a leading `-` sorts in descending order. */
export interface Index {
  name?: string;
  fields: readonly string[];
  unique?: boolean;
  where?: Readonly<Record<string, unknown>> | null;
  type?: "keys" | "text";
  weights?: Readonly<Record<string, number>>;
  stemming?: "english" | null;
  prefix?: boolean;
}

export interface IndexState extends Index {
  name: string;
  unique: boolean;
  /** True if the index is complete, so queries use it. While BunBase builds the index, only writes update it. */
  ready: boolean;
  progress?: number | null;
  system?: boolean;
}

/** Settings that are left out stay the same; null or an empty value removes a setting. */
export interface CollectionSpec {
  indexes?: readonly Index[];
  rules?: Rules | null;
  schema?: Readonly<Record<string, unknown>> | null;
  strict?: boolean;
  /** The field with the time at which a document expires. */
  expires?: string | null;
  /** The function that BunBase calls before each write. */
  before_write?: BeforeWrite | null;
  /** True if each change in the change log has the document before the change. */
  before_images?: boolean;
  /**
   * The number of documents that a query may examine if its caller is bound by rules. With null, the limit in the
   * server's settings applies.
   */
  max_scan?: number | null;
}

/**
 * `on`: the kinds of writes; all by default. `timeout_ms`: the time that the function has for its answer, 100 to
 * 10,000.
 */
export interface BeforeWrite {
  function: string;
  on?: readonly ("create" | "update" | "delete")[];
  timeout_ms?: number;
}

/**
 * A list rule that works now, but fails when the collection is large. When the collection has about `from_documents`
 * documents, the server refuses lists. `index`: the index to add; null if no index helps. `detail`: a sentence that
 * explains what to do.
 */
export interface RuleWarning {
  code: "rule_without_index";
  collection: string;
  rule: string;
  from_documents: number;
  index: Index | null;
  detail: string;
}

/** The collection names a function in `before_write` that cannot answer, so the writes will be refused. */
export interface HookWarning {
  code: "before_write_missing";
  collection: string;
  function: string;
  detail: string;
}

export interface CollectionState {
  name: string;
  created_at: string;
  indexes?: IndexState[];
  rules?: Rules | null;
  schema?: Readonly<Record<string, unknown>> | null;
  strict?: boolean | null;
  expires?: string | null;
  before_write?: BeforeWrite | null;
  before_images?: boolean;
  max_scan?: number | null;
  documents?: number | null;
  bytes?: number | null;
  /** Only the answer to a change has this field. */
  warnings?: (RuleWarning | HookWarning)[] | null;
}

/** Without `schema`, the saved schema is used. */
export interface MisfitQuery {
  schema?: Readonly<Record<string, unknown>>;
  strict?: boolean;
  limit?: number;
  cursor?: string | null;
}

/** A page may have fewer items than `limit`, or none. Continue while `next` is not null. */
export interface Misfits {
  items: { id: string; errors: { path: string; message: string }[] }[];
  next: string | null;
  examined: number;
}

const COLLECTIONS = "/v1/collections";

export class Collections {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Returns all collections, sorted by name.
   *
   * ```ts
   * const names = (await admin.collections.list()).map(({ name }) => name);
   * ```
   */
  async list(call?: Call): Promise<CollectionState[]> {
    return (await this.#connection.read<{ items: CollectionState[] }>(COLLECTIONS, call)).items;
  }

  /**
   * Returns a collection with its indexes and its size. Throws `collection_not_found`.
   *
   * ```ts
   * const { documents, indexes } = await admin.collections.get("posts");
   * ```
   */
  async get(name: string, call?: Call): Promise<CollectionState> {
    return this.#connection.read(COLLECTIONS + path(name), call);
  }

  /**
   * Creates or alters a collection. The answer is sent when all indexes are built, unless `wait` is false.
   *
   * ```ts
   * await admin.collections.put("posts", {
   *   indexes: [{ fields: ["owner", "-_created"] }],
   *   rules: { get: "true", list: "true", create: "auth.uid == next.owner" },
   * });
   * ```
   */
  async put(name: string, spec: CollectionSpec, { wait, ...call }: { wait?: boolean } & Call = {}): Promise<CollectionState> {
    const address = COLLECTIONS + path(name) + search({ wait });
    return this.#connection.send({ method: "PUT", path: address, body: spec, repeatable: true }, call);
  }

  /**
   * Deletes a collection with all its documents.
   *
   * ```ts
   * await admin.collections.drop("drafts");
   * ```
   */
  async drop(name: string, call?: Call): Promise<void> {
    await this.#connection.send({ method: "DELETE", path: COLLECTIONS + path(name) }, call);
  }

  /**
   * Finds documents that violate a schema, before you save the schema.
   *
   * ```ts
   * const { items, next } = await admin.collections.misfits("posts", { schema: { required: ["title"] } });
   * ```
   */
  async misfits(name: string, query: MisfitQuery = {}, call?: Call): Promise<Misfits> {
    const address = `${COLLECTIONS}${path(name)}/misfits`;
    return this.#connection.send({ method: "POST", path: address, body: query, repeatable: true }, call);
  }
}
