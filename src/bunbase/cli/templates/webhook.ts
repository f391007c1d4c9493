/**
 * Receives webhooks: another service calls this with a signature over the body, by a secret that both know.
 *
 *     bunbase env set WEBHOOK_SECRET=…      what the other service shows you, or what you tell it
 *
 * It expects `X-Signature: sha256=<hex>`, HMAC-SHA256 of the body; adapt the header's name to the sender.
 */

interface Context {
  env: Record<string, string | undefined>;
}

const SIGNATURE = "x-signature";

export default async (req: Request, ctx: Context): Promise<Response> => {
  const secret = ctx.env.WEBHOOK_SECRET;
  if (!secret) return new Response("Set WEBHOOK_SECRET first.\n", { status: 503 });
  if (req.method !== "POST") return new Response("Webhooks are sent by POST.\n", { status: 405 });

  const body = await req.text(); // as it was sent: a signature is over bytes, not over what they mean
  if (!(await isSigned(body, req.headers.get(SIGNATURE) ?? "", secret))) {
    console.warn("a webhook with a wrong signature was turned away"); // read it with: bunbase logs <name>
    return new Response("The signature is wrong.\n", { status: 401 });
  }

  const event: unknown = JSON.parse(body);
  console.log("received", event);
  return new Response(null, { status: 204 }); // answer soon: senders give up after a few seconds and try again
};

async function isSigned(body: string, signature: string, secret: string): Promise<boolean> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(secret), algorithm, false, ["verify"]);
  const hex = signature.replace(/^sha256=/, "");
  if (!/^[0-9a-f]{64}$/.test(hex)) return false;
  const given = Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  return crypto.subtle.verify("HMAC", key, given, bytes(body)); // takes as long for a near miss as for a far one
}

function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
}
