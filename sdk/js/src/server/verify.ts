/** Checks access tokens on your own server, without a request to BunBase for each token. */

import type { Call, ClientOptions } from "../call.js";
import { Problem } from "../problem.js";
import { Transport } from "../transport.js";

const LEEWAY_SECONDS = 60;
const REFETCH_MS = 60_000;
const KEEP_MS = 3_600_000;
const OTHER = "The token is not of a user of this project. Check the id of the project.";
const SERVICE = "This is the token of a service account or a key, not of a user. Pass allowService: true to accept it.";

/** The contents of an access token of an end user. */
export interface Claims {
  sub: string;
  aud: string;
  iss: string;
  exp: number;
  iat: number;
  sid: string;
  email: string | null;
  email_verified: boolean;
  role: string;
  claims: Readonly<Record<string, unknown>>;
  provider: string;
  amr: readonly string[];
  aal: number;
  [claim: string]: unknown;
}

export interface VerifyCall extends Call {
  /**
   * If true, tokens of service accounts and keys are accepted too. These tokens have `sub` and `scope`, and no user.
   */
  allowService?: boolean | undefined;
}

type Key = JsonWebKey & { kid?: string };
type Algorithm = { name: string; hash?: string; namedCurve?: string };

/** The algorithm comes from the key, never from the token: a token could name a weaker one. */
const ALGORITHMS: Record<string, Algorithm> = {
  RSA: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" },
  EC: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
  OKP: { name: "Ed25519" },
};

export class Verifier {
  readonly #transport: Transport;
  readonly #project: string;
  #keys = new Map<string, Promise<CryptoKey>>();
  #algorithms = new Map<string, Algorithm>();
  #fetchedAt = -Infinity;
  #triedAt = -Infinity;
  #fetching: Promise<void> | undefined;

  /** @internal */
  constructor(url: string, project: string, options: ClientOptions) {
    this.#transport = new Transport(url, "none", options);
    this.#project = project;
  }

  /**
   * Returns the claims of a token that the project has signed and that has not expired. Throws `invalid_token` or
   * `token_expired`. The token can also be valid after its session has ended: only BunBase itself refuses such a token
   * within a second.
   *
   * ```ts
   * const { sub, role } = await verifier.verify(token);
   * ```
   */
  async verify(token: string, { allowService, ...call }: VerifyCall = {}): Promise<Claims> {
    const parts = typeof token === "string" ? token.split(".") : []; // without a token, a caller passes undefined
    const [head, body] = [decoded(parts[0]), decoded(parts[1])];
    if (parts.length !== 3 || typeof head?.kid !== "string" || !body) throw refused("This is no access token.");
    const isService = body.type === "service";
    if (body.aud !== this.#project || (body.type !== "user" && !isService)) throw refused(OTHER, false);
    if (isService && !allowService) throw refused(SERVICE, false);
    const key = await this.#key(head.kid, call);
    const signed = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
    const algorithm = this.#algorithms.get(head.kid)!;
    const signature = bytes(parts[2]!);
    if (!signature || !(await crypto.subtle.verify(algorithm, key, signature, signed))) throw refused("The signature is wrong.");
    const now = Date.now() / 1000;
    if (typeof body.exp !== "number" || body.exp + LEEWAY_SECONDS < now)
      throw new Problem({ code: "token_expired", status: 401, detail: "The token has expired. The client refreshes it." });
    if (typeof body.iat === "number" && body.iat - LEEWAY_SECONDS > now) throw refused("The token is of the future.");
    return body as unknown as Claims;
  }

  async #key(kid: string, call: Call): Promise<CryptoKey> {
    const now = Date.now();
    // the verifier looks for an unknown key at most once a minute, also after a failure, because anybody can send a
    // token with an unknown key
    const isOld = this.#keys.has(kid) ? now > this.#fetchedAt + KEEP_MS : this.#fetchedAt < 0 || now > this.#triedAt + REFETCH_MS;
    if (isOld) {
      // all waiting calls share this request, so the signal of one call does not end it
      const fetching = (this.#fetching ??= this.#fetch().finally(() => (this.#fetching = undefined)));
      await this.#transport.within(call, (deadline) => deadline.race(fetching));
    }
    const key = this.#keys.get(kid);
    if (!key) throw refused("The project has no such key.");
    return key.catch(() => {
      throw refused("This engine cannot check tokens of this key.");
    });
  }

  async #fetch(): Promise<void> {
    const path = `/v1/auth/jwks.json?project=${encodeURIComponent(this.#project)}`;
    this.#triedAt = Date.now();
    const { keys } = await this.#transport.json<{ keys: Key[] }>({ method: "GET", path, token: null, repeatable: true });
    this.#fetchedAt = Date.now();
    this.#keys.clear();
    for (const key of keys) {
      const algorithm = ALGORITHMS[key.kty ?? ""];
      if (!key.kid || !algorithm) continue;
      this.#algorithms.set(key.kid, algorithm);
      const { kty, n, e, crv, x, y } = key;
      const jwk = JSON.parse(JSON.stringify({ kty, n, e, crv, x, y })) as JsonWebKey;
      const imported = crypto.subtle.importKey("jwk", jwk, algorithm, false, ["verify"]);
      imported.catch(() => {}); // an unsupported key must not end the process; its tokens are refused
      this.#keys.set(key.kid, imported);
    }
  }
}

/**
 * Makes a verifier for the tokens of one project. The verifier keeps the keys for an hour.
 *
 * ```ts
 * const verifier = createVerifier("https://api.example.com", "prj_…");
 * const claims = await verifier.verify(request.headers.get("Authorization")?.slice(7) ?? "");
 * ```
 */
export function createVerifier(url: string, project: string, options: ClientOptions = {}): Verifier {
  return new Verifier(url, project, options);
}

function refused(detail: string, again = true): Problem {
  return new Problem({ code: "invalid_token", status: 401, detail: again ? `${detail} Sign in again.` : detail });
}

function decoded(part: string | undefined): Record<string, unknown> | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes(part ?? ""))) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function bytes(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
