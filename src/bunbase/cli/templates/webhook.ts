/**
 * Receives webhooks: another service calls this function and signs the body with a secret that both sides know.
 *
 *     bunbase env set WEBHOOK_SECRET=…      the secret that the other service shows you, or that you choose
 *
 * The function expects the header `X-Signature: sha256=<hex>`, an HMAC-SHA256 of the body. If your sender uses another
 * name for the header, change SIGNATURE.
 */

interface Context {
  env: Record<string, string | undefined>;
}

const SIGNATURE = "x-signature";

export default async (req: Request, ctx: Context): Promise<Response> => {
  const secret = ctx.env.WEBHOOK_SECRET;
  if (!secret) return new Response("Set WEBHOOK_SECRET first.\n", { status: 503 });
  if (req.method !== "POST") return new Response("Send webhooks with POST.\n", { status: 405 });

  const body = await req.text(); // the body as it was sent: the signature covers its bytes, not the parsed JSON
  if (!(await isSigned(body, req.headers.get(SIGNATURE) ?? "", secret))) {
    console.warn("a webhook with a wrong signature was refused"); // read it with: bunbase logs <name>
    return new Response("The signature is wrong.\n", { status: 401 });
  }

  const event: unknown = JSON.parse(body);
  console.log("received", event);
  return new Response(null, { status: 204 }); // answer quickly: senders give up after a few seconds and try again
};

async function isSigned(body: string, signature: string, secret: string): Promise<boolean> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(secret), algorithm, false, ["verify"]);
  const hex = signature.replace(/^sha256=/, "");
  if (!/^[0-9a-f]{64}$/.test(hex)) return false;
  const given = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return crypto.subtle.verify("HMAC", key, given, bytes(body)); // compares in constant time
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
}
