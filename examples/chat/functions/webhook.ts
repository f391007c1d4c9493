import type { Handler } from "@bunbase/functions";
import { verifyWebhook, WebhookError } from "@bunbase/functions/webhooks";

import type { Database } from "../src/database.ts";
import { none } from "./_members.ts";

const refuse = (status: number, detail: string) => Response.json({ detail }, { status });

/**
 * Posts a message from outside, such as an alarm: `{"room": "…", "text": "…"}`. If a sender repeats a request, the
 * function posts the message once.
 */
const webhook: Handler<Database> = async (request, ctx) => {
  try {
    const event = await verifyWebhook(request, { scheme: "standard-webhooks", secret: ctx.env.WEBHOOK_SECRET ?? "" });
    const { room, text } = event.json<{ room?: unknown; text?: unknown }>();
    if (typeof room !== "string" || typeof text !== "string" || !text) return refuse(422, "Send a room and a text.");
    if ((await ctx.data.query("rooms", { where: { _id: room } })).items.length === 0) return refuse(404, "There is no such room.");
    const _id = request.headers.get("webhook-id")!.replaceAll(/[^\w-]/g, "-");
    const message = { _id, room, author: "webhook", name: "Webhook", text: text.slice(0, 4000) };
    await ctx.data.create("messages", message).catch(none("document_exists"));
  } catch (error) {
    if (error instanceof WebhookError) return error.response(); // 401
    throw error;
  }
};

export default webhook;
