/** Sends every request to the server with the credential, and decides what the credential can do. */

import type { Call, ClientOptions, Listed, Problem } from "bunbase-js";
import { answerOf, type ApiRequest, createSender, invalidValue, path, type Sender, type Tokens } from "bunbase-js/internal";
import { type Credential, known, type Known } from "./credentials.js";
import { exchanged, type Proof, proofOf, type ServiceToken, serviceTokens } from "./service_tokens.js";

export interface AdminOptions extends Pick<ClientOptions, "fetch" | "timeoutMs" | "retries" | "headers"> {
  /** The id or slug of the project. A client with a personal access token needs this option. */
  project?: string | undefined;
}

/** Options of a call that returns one page of a list. */
export interface PageCall extends Call {
  /** The maximum number of items in the page: at most 500. */
  limit?: number | undefined;
  cursor?: string | null | undefined;
}

const NO_KEY = "none"; // the sender requires a text as key, but this header is removed before sending
const NOBODY = "-";
const USER_ID = /^\w[\w.:|-]{0,127}$/;
const ANY_SCOPE = ["data:read"]; // the scope of a token that the client requests only to read the project's id from it

/** @internal */
export class Connection {
  readonly sender: Sender;
  readonly #known: Known;
  readonly #url: string;
  readonly #options: AdminOptions;
  readonly #bare: Sender;
  readonly #proof: Proof;
  #project: Promise<string> | undefined;
  #tokens: Tokens | undefined;

  constructor(url: string, credential: Credential, options: AdminOptions) {
    this.#known = known(credential, options.project);
    this.#url = url;
    this.#options = options;
    this.#bare = this.#sender(NO_KEY, {});
    this.#proof = this.#proofOfClient();
    this.sender = this.#authorized({});
  }

  get options(): AdminOptions {
    return this.#options;
  }

  get url(): string {
    return this.#url;
  }

  /** Returns a sender whose requests have the rights of a user, or of a visitor (null). */
  acting(user: string | null): Sender {
    if (user !== null && (typeof user !== "string" || !USER_ID.test(user)))
      throw invalidValue("user", "Pass the id of a user, or null for a visitor who is not signed in.");
    return this.#authorized({ "X-Bunbase-As": user ?? NOBODY });
  }

  read<T>(address: string, call: Call = {}): Promise<T> {
    return this.sender.json({ method: "GET", path: address, repeatable: true }, call);
  }

  send<T>(request: ApiRequest, call: Call = {}): Promise<T> {
    return this.sender.json(request, call);
  }

  /**
   * Returns an answer that is read later, as a stream. `timeoutMs` is the timeout for the start of the answer. Throws a
   * Problem.
   */
  stream(address: string, call: Call): Promise<Response> {
    return this.sender.sent({ method: "GET", path: address, streams: true }, call, async (response, text) => {
      if (!response.ok) throw answerOf(response, await text());
      return response;
    });
  }

  /** Returns the path of a part of the project's API that only members may use. */
  ofMembers(...parts: string[]): string {
    if (this.#known.kind !== "personal")
      throw invalidValue("credential", "Only members of the project may do this. Use a personal access token (bpt_…) of a member.");
    return `/api/projects${path(this.#known.project, ...parts)}`;
  }

  /** Returns the path of a part of the API that has one path for servers and another for members. */
  ofBoth(part: string): string {
    return this.#known.kind === "personal" ? this.ofMembers(part) : `/v1/${part}`;
  }

  checkCallsFunctions(): void {
    if (this.#known.kind === "personal")
      throw invalidValue("credential", "A personal access token calls no functions. Use a secret key or a service account.");
  }

  /** Returns a token with some of the scopes of the credential. */
  async token(scopes: readonly string[] | undefined): Promise<ServiceToken> {
    return exchanged(this.#bare, this.#proof, scopes);
  }

  /** Returns the id of the project: from the option `project`, or else from a token of the credential. */
  project(): Promise<string> {
    return (this.#project ??= this.#named().catch((problem: unknown) => {
      this.#project = undefined;
      throw problem;
    }));
  }

  async #named(): Promise<string> {
    const given = this.#options.project;
    if (given?.startsWith("prj_")) return given;
    if (this.#known.kind === "personal") return (await this.read<{ id: string }>(this.ofMembers())).id;
    if (this.#known.kind === "token") return projectOf(this.#known.token);
    const token = await this.token(undefined).catch((problem: Problem) => {
      if (problem.code !== "invalid_scope") throw problem;
      return this.token(ANY_SCOPE);
    });
    return projectOf(token.value);
  }

  #proofOfClient(): Proof {
    const credential = this.#known;
    if (credential.kind === "service") return proofOf(credential.account, this.#bare.origin);
    if (credential.kind === "key") return async () => ({ client_secret: credential.key });
    return async () => {
      throw invalidValue("credential", "Only a secret key or a service account gets service tokens.");
    };
  }

  #authorized(more: Record<string, string>): Sender {
    const credential = this.#known;
    if (credential.kind === "key") return this.#sender(credential.key, more);
    if (credential.kind === "service") {
      this.#tokens ??= serviceTokens(() => this.token(credential.account.scopes));
      return this.#sender(NO_KEY, more, this.#tokens);
    }
    const tokens = { current: async () => credential.token, renewed: async () => null };
    const project = credential.kind === "personal" ? { "X-Bunbase-Project": credential.project } : {};
    return this.#sender(NO_KEY, { ...more, ...project }, tokens);
  }

  #sender(key: string, more: Record<string, string>, tokens?: Tokens): Sender {
    const { project: _, ...options } = this.#options;
    const sending: typeof fetch = (input, init) => {
      // the headers of this client come last: no header of a call may replace the user of `as`
      const headers = new Headers(init?.headers);
      for (const [name, value] of Object.entries(more)) headers.set(name, value);
      if (key === NO_KEY) headers.delete("X-Bunbase-Key");
      // the client does not follow redirects of functions either: `fetch` would send the secret key to another server
      return (options.fetch ?? globalThis.fetch)(input, { ...init, headers, redirect: "manual" });
    };
    const project = more["X-Bunbase-Project"];
    const signIn = key === NO_KEY ? { ...(project && { project }) } : { key };
    return createSender(this.#url, key, { ...options, fetch: sending, storage: null }, tokens, signIn);
  }
}

/** Reads the project from a service token without checking its signature. Throws a Problem. */
function projectOf(token: string): string {
  try {
    const claims = token.split(".")[1]!.replaceAll("-", "+").replaceAll("_", "/");
    return (JSON.parse(atob(claims)) as { aud: string }).aud;
  } catch {
    throw invalidValue("credential", "This is no service token.");
  }
}

/** Returns `?name=value&…` without values that are undefined or null. Returns "" if no value is left. @internal */
export function search(values: Record<string, string | number | boolean | null | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== null);
  return given.length ? `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}` : "";
}

/** Yields the items of all pages. @internal */
export async function* paged<T>(
  page: (cursor: string | null) => Promise<Listed<T>>,
  cursor: string | null | undefined = null,
): AsyncGenerator<T, void, void> {
  for (let next: string | null = cursor, first = true; first || next !== null; first = false) {
    const found = await page(next);
    yield* found.items;
    next = found.next;
  }
}
