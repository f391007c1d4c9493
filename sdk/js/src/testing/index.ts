/**
 * A server in memory for the tests of your own app: no network, no process. The server knows documents, users with
 * passwords, files, and the functions that you pass. The server has no rules and no schemas, and of limits only those of
 * buckets. Test the others with `bunbase dev`.
 *
 * ```ts
 * import { createTestClient } from "bunbase-js/testing";
 *
 * const { client, server } = createTestClient({ functions: { hello: () => ({ hello: "world" }) } });
 * await client.data.collection("posts").create({ title: "Hello" });
 * console.log(server.documents("posts").length); // 1
 * ```
 */

import type { User } from "../auth/types.js";
import type { ClientOptions } from "../call.js";
import type { AnyDatabase, Schema } from "../data/types.js";
import { type Client, createClient } from "../index.js";
import type { StoredFile } from "../files/types.js";
import { readJson, writeJson } from "../json.js";
import { refused } from "../local.js";
import { invalidValue, Problem } from "../problem.js";
import type { ProblemCode } from "../problem_codes.js";
import { checkKnown, type Condition, MemoryDocuments } from "./documents.js";
import { MemoryFiles, type TestBucket } from "./files.js";

export type { TestBucket } from "./files.js";

/** A function of your app, in the test. The function returns JSON or a Response. */
export type TestFunction = (body: unknown, request: Request) => unknown;

export interface TestOptions extends Omit<ClientOptions, "fetch"> {
  functions?: Record<string, TestFunction>;
  /** The buckets by name: `{ photos: {} }`. Files of other buckets throw `bucket_not_found`. */
  buckets?: Record<string, TestBucket>;
}

/** A refusal of the server. `status` is 400 or above. */
export interface Failure {
  status: number;
  code: ProblemCode;
  detail?: string;
}

export interface TestServer {
  /** Requests that the client has sent, in order. */
  readonly requests: readonly { method: string; path: string; body: unknown }[];
  /** The stored documents of a collection. */
  documents(collection: string): readonly Record<string, unknown>[];
  /** The stored files of a bucket, in the order of the bytes of their keys. */
  files(bucket: string): readonly StoredFile[];
  /**
   * A link to the present content of a file, in place of a signed link of a server: a `data:` URL, so that `fetch` and
   * `<img>` work with it. It never expires.
   */
  signedUrl(bucket: string, key: string): string;
  /**
   * Makes the next request fail, either with a problem such as `{ status: 412, code: "stale_revision" }`, or as if
   * there were no network.
   */
  failNext(failure: Failure | "network"): void;
  fetch: typeof fetch;
}

/**
 * Makes a client and its server in memory.
 *
 * ```ts
 * const { client, server } = createTestClient<Database>();
 * ```
 */
export function createTestClient<D extends Schema<D> = AnyDatabase>(
  options: TestOptions = {},
): { client: Client<D>; server: TestServer } {
  const { functions = {}, buckets = {}, ...rest } = options;
  const server = createTestServer(functions, buckets);
  const client = createClient<D>("http://bunbase.test", "pk_test", { storage: null, ...rest, fetch: server.fetch });
  return { client, server };
}

/**
 * Makes a server in memory. Pass the `fetch` of the server to several clients to test several users on one server.
 *
 * ```ts
 * const server = createTestServer({ hello: () => "world" });
 * const eve = createClient("http://bunbase.test", "pk_test", { storage: null, fetch: server.fetch });
 * ```
 */
export function createTestServer(functions: Record<string, TestFunction> = {}, buckets: Record<string, TestBucket> = {}): TestServer {
  const documents = new MemoryDocuments();
  const files = new MemoryFiles(buckets);
  const users = new MemoryUsers();
  const requests: { method: string; path: string; body: unknown }[] = [];
  let failure: Failure | "network" | undefined;

  const answer = async (request: Request): Promise<Response> => {
    const { pathname, search } = new URL(request.url);
    const bytes = new Uint8Array(await request.clone().arrayBuffer());
    const isFile = /^\/v1\/storage\/(objects|tus)\//.test(pathname);
    const text = isFile ? "" : new TextDecoder().decode(bytes);
    const isJson = request.headers.get("Content-Type") === "application/json";
    const body = text && isJson ? readJson(text) : text || undefined;
    requests.push({ method: request.method, path: pathname + search, body });
    const failed = failure;
    failure = undefined;
    if (failed === "network") throw new TypeError("fetch failed");
    try {
      if (failed) throw refused(failed.status, failed.code, failed.detail ?? "The test asked for this.");
      const [room, ...rest] = pathname.split("/").slice(2).map(decodeURIComponent);
      if (room === "data") return ofDocuments(documents, request, rest, body as Record<string, unknown>);
      if (room === "commit") return json(200, { seq: requests.length, results: documents.commit((body as { writes: [] }).writes) });
      if (room === "auth") return users.answer(request, rest.join("/"), body as Record<string, string>);
      if (room === "storage") return files.answer(request, rest, bytes, users.idOf(request));
      if (room === "functions") return await ofFunction(Object.hasOwn(functions, rest[0]!) ? functions[rest[0]!] : undefined, body, request);
      throw refused(404, "not_found", `The server in memory does not know ${pathname}.`);
    } catch (problem) {
      if (!Problem.is(problem)) throw problem;
      return json(problem.status, { request_id: "req_test", ...problem.body }, "application/problem+json");
    }
  };
  return {
    requests,
    documents: (collection) => [...documents.all(collection).values()],
    files: (bucket) => files.all(bucket),
    signedUrl: (bucket, key) => dataUrl(files.get({ bucket, key })),
    failNext: (next) => void (failure = checked(next)),
    fetch: async (input, init) => {
      const request = new Request(input, init);
      request.signal.throwIfAborted();
      return answer(request);
    },
  };
}

function ofDocuments(documents: MemoryDocuments, request: Request, [collection = "", id]: string[], body: Record<string, unknown>): Response {
  const condition = conditionOf(request.headers);
  checkKnown("query", new URL(request.url).searchParams.keys(), []);
  if (id === "query") return json(200, documents.query(collection, body));
  if (id === "aggregate") return json(200, { items: [counted(documents, collection, body)], next: null });
  if (id === undefined) return json(201, documents.create(collection, body));
  if (request.method === "GET") return json(200, documents.get(collection, id));
  if (request.method === "PUT") return json(200, documents.put(collection, id, body, condition));
  if (request.method === "PATCH") return json(200, documents.patch(collection, id, body, condition));
  documents.delete(collection, id, condition);
  return new Response(null, { status: 204 });
}

function counted(documents: MemoryDocuments, collection: string, { where, values, group }: Record<string, unknown>): Record<string, number> {
  const names = Object.entries(values as Record<string, object>);
  if (group || names.some(([, value]) => !("$count" in value)))
    throw refused(400, "invalid_query", "The server in memory only counts. Test other aggregates with bunbase dev.");
  const { count = 0 } = documents.query(collection, { where: (where ?? {}) as Record<string, unknown>, count: true });
  return Object.fromEntries(names.map(([name]) => [name, count]));
}

function conditionOf(headers: Headers): Condition {
  const match = headers.get("If-Match");
  return match ? { rev: Number(match.slice(1, -1)) } : { absent: headers.has("If-None-Match") };
}

function checked(failure: Failure | "network"): Failure | "network" {
  const { status, code } = (failure ?? {}) as Partial<Failure>;
  if (failure === "network" || (Number.isInteger(status) && status! >= 400 && status! < 600 && code)) return failure;
  throw invalidValue("failure", 'Use "network", or an object such as { status: 412, code: "stale_revision" }.');
}

/**
 * Functions fail in the same way as functions of BunBase. Only responses of the functions themselves have the header by
 * which the client recognises such responses.
 */
async function ofFunction(called: TestFunction | undefined, body: unknown, request: Request): Promise<Response> {
  if (!called) throw refused(404, "function_not_found", "The test has passed no such function.");
  let answer: Response;
  try {
    const made = await called(body, request);
    answer = made instanceof Response ? made : made === undefined ? new Response(null, { status: 204 }) : json(200, made);
  } catch (cause) {
    console.error("bunbase-js/testing: a function failed.", cause);
    throw refused(500, "function_error", "The function threw an error; its log has the details.");
  }
  const headers = new Headers(answer.headers);
  headers.set("X-Bunbase-Function-Version", "1");
  return new Response(answer.body, { status: answer.status, headers });
}

function dataUrl({ info, bytes }: ReturnType<MemoryFiles["get"]>): string {
  return `data:${info.content_type};base64,${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}`;
}

function json(status: number, value: unknown, type = "application/json"): Response {
  return new Response(writeJson(value), { status, headers: { "Content-Type": type, "X-Request-Id": "req_test" } });
}

/** Users with passwords. A token is the id of its user. */
class MemoryUsers {
  readonly #users = new Map<string, User & { password: string }>();

  /** Returns the id of the user who sends a request, or null for a visitor. @internal */
  idOf(request: Request): string | null {
    const sent = request.headers.get("Authorization");
    return sent === null ? null : this.#found(({ id }) => sent === `Bearer ${id}`, "invalid_token").id;
  }

  answer(request: Request, path: string, body: Record<string, string>): Response {
    if (path === "signup") return json(201, this.#signedIn(this.#signUp(body)));
    if (path === "anonymous") return json(201, this.#signedIn(this.#make({ anonymous: "yes" })));
    if (path === "login") return json(200, this.#signedIn(this.#found(({ email, password }) => email === body.email && password === body.password, "invalid_credentials", "Email or password is wrong.")));
    if (path === "refresh") return json(200, this.#signedIn(this.#found(({ id }) => id === body.refresh_token, "invalid_token")));
    if (path === "logout") return new Response(null, { status: 204 });
    if (path !== "me") throw refused(404, "not_found", `The server in memory does not know /v1/auth/${path}. Test this with bunbase dev.`);
    const me = this.#found(({ id }) => `Bearer ${id}` === request.headers.get("Authorization"), "unauthenticated");
    if (request.method === "DELETE") this.#users.delete(me.id);
    if (request.method === "DELETE") return new Response(null, { status: 204 });
    if (request.method === "PATCH") Object.assign(me, body);
    return json(200, { user: shown(me), impersonated_by: null });
  }

  #signUp(body: Record<string, string>): User & { password: string } {
    if ([...this.#users.values()].some(({ email }) => email === body.email))
      throw refused(409, "email_taken", "A user with this address exists already. Sign in instead.");
    return this.#make(body);
  }

  #make({ email = "", password = "", data, anonymous }: Record<string, unknown>): User & { password: string } {
    const id = `usr_${this.#users.size + 1}`;
    const user = {
      ...{ id, email: (email as string) || null, email_verified: false, phone: null, phone_verified: false, name: "", language: "" },
      ...{ role: "user", claims: {}, data: (data ?? {}) as Record<string, unknown>, created_at: new Date().toISOString() },
      ...{ anonymous: Boolean(anonymous), password: password as string },
    };
    this.#users.set(id, user);
    return user;
  }

  #found(wanted: (user: User & { password: string }) => boolean, code: ProblemCode, detail = "Sign in again."): User & { password: string } {
    const found = [...this.#users.values()].find(wanted);
    if (!found) throw refused(401, code, detail);
    return found;
  }

  #signedIn(user: User & { password: string }): object {
    const tokens = { access_token: user.id, refresh_token: user.id, token_type: "Bearer", expires_in: 900, aal: 1, amr: ["pwd"] };
    return { user: shown(user), ...tokens };
  }
}

function shown({ password: _, ...user }: User & { password: string }): User {
  return user;
}
