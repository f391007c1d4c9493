/** The tokens of a service account. The client keeps one token, and renews it when a call needs a new one. */

import { Problem, type ProblemCode } from "bunbase-js";
import { answerOf, type Sender, type Tokens } from "bunbase-js/internal";
import { assertion, signingKey, type SigningKey } from "./assertion.js";
import type { ServiceAccount } from "./credentials.js";
import { pause } from "./patience.js";

const ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const FRESH = 0.8; // the part of a token's lifetime after which a new token is requested
const ATTEMPTS = 3;
const PASSING: readonly number[] = [429, 502, 503, 504];

/** A token that is valid for ten minutes. The token works in place of a secret key with the same scopes. */
export interface ServiceToken {
  value: string;
  scopes: readonly string[];
  expiresAt: Date;
}

/** The fields that prove who a client is. A proof with a private key works once. @internal */
export type Proof = () => Promise<Record<string, string>>;

interface Answer {
  access_token: string;
  expires_in: number;
  scope: string;
}

interface Refusal {
  error?: unknown;
  error_description?: unknown;
}

interface Kept {
  value: string;
  freshUntil: number;
  expiresAt: number;
}

/** @internal */
export function proofOf(account: ServiceAccount, origin: string): Proof {
  if ("clientSecret" in account) return async () => ({ client_id: account.clientId, client_secret: account.clientSecret });
  const { audience = origin } = account;
  let key: Promise<SigningKey> | undefined;
  return async () => {
    key ??= signingKey(account.privateKey);
    return { client_assertion_type: ASSERTION, client_assertion: await assertion(await key, account.clientId, audience) };
  };
}

/** Sends a proof and returns the token of the answer. @internal */
export async function exchanged(sender: Sender, proof: Proof, scopes?: readonly string[]): Promise<ServiceToken> {
  for (let attempt = 1; ; attempt++) {
    const form = new URLSearchParams({ grant_type: "client_credentials", ...(await proof()) });
    if (scopes) form.set("scope", scopes.join(" "));
    try {
      const { access_token: value, scope, expires_in } = await answered(sender, form);
      return { value, scopes: scope.split(" "), expiresAt: new Date(Date.now() + expires_in * 1000) };
    } catch (problem) {
      const passes = Problem.is(problem) && (problem.code === "network" || PASSING.includes(problem.status));
      if (!passes || attempt === ATTEMPTS) throw problem;
      await pause(Math.min(problem.retryAfterMs ?? 200 * attempt, 5_000));
    }
  }
}

/** Refusals have the form of OAuth (RFC 6749 §5.2): their `error` becomes the code of the problem. */
async function answered(sender: Sender, form: URLSearchParams): Promise<Answer> {
  const headers = { "Content-Type": "application/x-www-form-urlencoded" };
  const wanted = { method: "POST", path: "/v1/auth/token", raw: form.toString(), headers, token: null };
  return sender.sent(wanted, {}, async (response, text) => {
    const answer = answerOf(response, await text());
    if (isAnswer(answer)) return answer;
    if (!Problem.is(answer)) throw new Problem({ code: "unexpected_answer", detail: "This is no token of BunBase." });
    const { error, error_description: detail } = (answer.body["answer"] ?? {}) as Refusal;
    if (typeof error !== "string") throw answer;
    throw new Problem({ code: error as ProblemCode, status: response.status, detail: String(detail ?? error) });
  });
}

function isAnswer(value: unknown): value is Answer {
  return typeof (value as Answer | null | undefined)?.access_token === "string";
}

/** Keeps a token for all calls. @internal */
export function serviceTokens(exchange: () => Promise<ServiceToken>): Tokens {
  let kept: Kept | undefined;
  let flight: Promise<string> | undefined;

  /** All calls that need a token wait for the same request. */
  const renew = (): Promise<string> => (flight ??= made().finally(() => (flight = undefined)));

  async function made(): Promise<string> {
    const { value, expiresAt } = await exchange();
    const now = Date.now();
    kept = { value, expiresAt: expiresAt.getTime(), freshUntil: now + (expiresAt.getTime() - now) * FRESH };
    return value;
  }

  async function current(): Promise<string> {
    if (kept && Date.now() < kept.freshUntil) return kept.value;
    const old = kept;
    try {
      return await renew();
    } catch (problem) {
      if (old && Date.now() < old.expiresAt) return old.value; // the token is still valid
      throw problem;
    }
  }

  const renewed = async (refused: string) => (kept && kept.value !== refused ? kept.value : renew());
  return { current, renewed };
}
