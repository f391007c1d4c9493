/**
 * Checks the signature of a webhook: `await verifyWebhook(request, { scheme: "stripe", secret })`.
 *
 * A signature is an HMAC-SHA256 of the bytes of the body, exactly as they arrived. WebCrypto compares it in constant time.
 */

export type Scheme = "stripe" | "github" | "standard-webhooks";

export type WebhookOptions = Readonly<{
  scheme: Scheme;
  /**
   * One secret, or several while you replace a secret: the signature must match one of them. If `secret` is not set,
   * the check throws a TypeError.
   */
  secret: string | readonly string[] | undefined;
  /** The largest difference between the signed time and now. Default: 300. GitHub does not sign a time. */
  toleranceSeconds?: number;
  /** The current time; set it in tests only. */
  now?: Date;
}>;

/** A webhook with a valid signature. `text`: the body. `id`: the id of the message, to detect repeated deliveries. */
export type Webhook = Readonly<{ text: string; json: <T = unknown>() => T; id: string | null }>;

/** Thrown if the signature is not valid. Answer with `error.response()`, so that the sender's log shows the reason. */
export class WebhookError extends Error {
  override readonly name = "WebhookError";

  constructor(
    readonly code: "signature_missing" | "signature_invalid" | "timestamp_out_of_tolerance",
    message: string,
  ) {
    super(message);
  }

  response(): Response {
    return Response.json({ code: this.code, detail: this.message }, { status: 401 });
  }
}

/** The values of a request before they are checked. `signed`: the signed bytes. `at`: the signed time, in seconds. */
type Claim = { signed: Uint8Array<ArrayBuffer>; signatures: Uint8Array<ArrayBuffer>[]; at: number | null; id: string | null };

const TOLERANCE_SECONDS = 300;
const MAX_SIGNATURES = 16; // each check reads the whole body, and an attacker may send thousands of signatures
const HEX = /^(?:[0-9a-f]{2})+$/i;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const SECONDS = /^[0-9]{1,12}$/;

/** Reads the body of the request and checks its signature. Throws a WebhookError if the signature is not valid. */
export async function verifyWebhook(request: Request, options: WebhookOptions): Promise<Webhook> {
  const { scheme } = options;
  if (!Object.hasOwn(CLAIMS, scheme)) {
    throw new TypeError(`verifyWebhook knows no scheme ${String(scheme)}: use ${Object.keys(CLAIMS).join(", ")}.`);
  }
  const keys = keysOf(options);
  const body = new Uint8Array(await request.arrayBuffer());
  const claim = CLAIMS[scheme](request.headers, body);
  checkTime(claim.at, options.toleranceSeconds ?? TOLERANCE_SECONDS, options.now ?? new Date());
  for (const key of keys) {
    if (await signedBy(key, claim)) return webhook(body, claim.id);
  }
  throw new WebhookError("signature_invalid", "No signature fits the body and the secret.");
}

const CLAIMS: Readonly<Record<Scheme, (headers: Headers, body: Uint8Array) => Claim>> = {
  stripe(headers, body) {
    const parts = needed(headers, "stripe-signature")
      .split(",")
      .map((part) => part.trim().split("=", 2) as [string, string?]);
    const time = parts.find(([name]) => name === "t")?.[1] ?? "";
    const signatures = parts.filter(([name]) => name === "v1").map(([, value]) => fromHex(value ?? ""));
    return { signed: joined(`${time}.`, body), signatures, at: seconds(time), id: null };
  },
  github(headers, body) {
    const signature = needed(headers, "x-hub-signature-256").replace(/^sha256=/, "");
    return { signed: joined("", body), signatures: [fromHex(signature)], at: null, id: headers.get("x-github-delivery") };
  },
  "standard-webhooks"(headers, body) {
    const id = needed(headers, "webhook-id");
    const time = needed(headers, "webhook-timestamp");
    const signatures = needed(headers, "webhook-signature")
      .split(" ")
      .filter((part) => part.startsWith("v1,"))
      .map((part) => fromBase64(part.slice(3)));
    return { signed: joined(`${id}.${time}.`, body), signatures, at: seconds(time), id };
  },
};

function needed(headers: Headers, name: string): string {
  const value = headers.get(name);
  if (value === null || value === "") throw new WebhookError("signature_missing", `The header ${name} is missing.`);
  return value;
}

function seconds(text: string): number {
  if (!SECONDS.test(text)) throw new WebhookError("signature_invalid", "The signature has no valid time.");
  return Number(text);
}

function checkTime(at: number | null, tolerance: number, now: Date): void {
  if (at !== null && Math.abs(now.getTime() / 1000 - at) > tolerance) {
    throw new WebhookError("timestamp_out_of_tolerance", `The signed time differs from the current time by more than ${tolerance} s.`);
  }
}

function keysOf({ scheme, secret }: WebhookOptions): Uint8Array<ArrayBuffer>[] {
  const secrets = typeof secret === "object" ? secret : [secret];
  if (secrets.length === 0) throw new TypeError("verifyWebhook needs at least one secret, but the list is empty.");
  return secrets.map((one) => keyOf(scheme, one));
}

/**
 * Returns the bytes of a secret. Standard Webhooks writes secrets as `whsec_` and base64; the other schemes use plain
 * text.
 */
function keyOf(scheme: Scheme, secret: string | undefined): Uint8Array<ArrayBuffer> {
  if (secret === undefined || secret === "") throw new TypeError("verifyWebhook needs a secret. Is its variable set?");
  if (scheme !== "standard-webhooks") return new TextEncoder().encode(secret);
  const key = fromBase64(secret.replace(/^whsec_/, ""));
  if (key.length === 0) throw new TypeError("verifyWebhook cannot read the secret: it must be whsec_ followed by base64.");
  return key;
}

async function signedBy(key: Uint8Array<ArrayBuffer>, claim: Claim): Promise<boolean> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, algorithm, false, ["verify"]);
  for (const signature of claim.signatures.slice(0, MAX_SIGNATURES)) {
    if (await crypto.subtle.verify(algorithm, imported, signature, claim.signed)) return true;
  }
  return false;
}

function webhook(body: Uint8Array, id: string | null): Webhook {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(body); // a byte order mark is signed too
  return { text, json: <T>() => JSON.parse(text.replace(/^\uFEFF/, "")) as T, id };
}

function joined(head: string, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const start = new TextEncoder().encode(head);
  const whole = new Uint8Array(start.length + body.length);
  whole.set(start);
  whole.set(body, start.length);
  return whole;
}

/** Returns the bytes of hexadecimal text. Other text becomes an empty signature, which is never valid. */
function fromHex(text: string): Uint8Array<ArrayBuffer> {
  if (!HEX.test(text)) return new Uint8Array(0);
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  if (!BASE64.test(text)) return new Uint8Array(0);
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array(0);
  }
}
