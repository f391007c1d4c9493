/** A typical receiver of webhooks. The test passes if this file compiles. */

import type { Handler } from "../index.d.ts";
import { verifyWebhook, WebhookError } from "../webhooks.ts";

const handler: Handler = async (request, { env, enqueue, trigger }) => {
  if (trigger !== null) return { attempt: trigger.attempt, kind: trigger.kind };
  try {
    const event = await verifyWebhook(request, { scheme: "stripe", secret: env["STRIPE_WEBHOOK_SECRET"] });
    const { id } = event.json<{ id: string }>();
    const job = await enqueue("charge", { id }, { key: id, delay_seconds: 5, attempts: 10 });
    return { job: job.id };
  } catch (error) {
    if (error instanceof WebhookError) return error.response();
    throw error;
  }
};

export default handler;

// @ts-expect-error: this scheme does not exist
export const wrong = (request: Request) => verifyWebhook(request, { scheme: "rot13", secret: "x" });
