/** Checks that a webhook comes from the service that has the secret. Functions use the same code. */

import { type Scheme, verifyWebhook, type WebhookError } from "@bunbase/functions/webhooks";
import { Problem } from "bunbase-js";

export type WebhookScheme = "stripe" | "github" | "standard-webhooks";

export interface WebhookOptions {
  /** The form of the signature: `standard-webhooks` by default. */
  scheme?: WebhookScheme | undefined;
  /** The largest difference between the signed time and now: 300 by default. GitHub's signatures contain no time. */
  toleranceSeconds?: number | undefined;
}

/** A webhook with a valid signature. `id`: the id of the message, by which you can recognise a repeated delivery. */
export interface Webhook {
  text: string;
  json<T = unknown>(): T;
  id: string | null;
}

export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

export class Webhooks {
  /**
   * Checks the signature of a webhook and returns the webhook. Pass the body exactly as it arrived. Throws a problem
   * with the status 401 if the signature is missing, wrong, or too old. While you replace a secret, pass both secrets.
   *
   * ```ts
   * const event = await admin.webhooks.verify(await request.text(), request.headers, secret, { scheme: "stripe" });
   * const { type } = event.json<{ type: string }>();
   * ```
   */
  async verify(
    rawBody: string | Uint8Array,
    headers: WebhookHeaders,
    secret: string | readonly string[],
    { scheme = "standard-webhooks", toleranceSeconds }: WebhookOptions = {},
  ): Promise<Webhook> {
    if (typeof rawBody !== "string" && !(rawBody instanceof Uint8Array))
      throw new Problem({ code: "invalid_value", detail: "body: Pass the text or the bytes as they arrived, before anything parses them." });
    const request = new Request("http://webhook", { method: "POST", body: rawBody as BodyInit, headers: headersOf(headers) });
    const options = { scheme: scheme satisfies Scheme, secret, ...(toleranceSeconds === undefined ? {} : { toleranceSeconds }) };
    try {
      return await verifyWebhook(request, options);
    } catch (error) {
      throw problem(error as Error);
    }
  }
}

function headersOf(headers: WebhookHeaders): Headers {
  if (headers instanceof Headers) return headers;
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) for (const one of [value ?? []].flat()) all.append(name, one);
  return all;
}

function problem(error: Error): Problem {
  if (error.name === "WebhookError")
    return new Problem({ code: (error as WebhookError).code, status: 401, detail: error.message }, { cause: error });
  return new Problem({ code: "invalid_value", detail: error.message }, { cause: error });
}
