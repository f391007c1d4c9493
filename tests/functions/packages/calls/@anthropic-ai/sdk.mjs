import assert from "node:assert";
import Anthropic from "@anthropic-ai/sdk";

export default async (at) => {
  const client = new Anthropic({ apiKey: "key", baseURL: at, maxRetries: 0 });
  const seen = await client.messages.create({ model: "m", max_tokens: 1, messages: [{ role: "user", content: "hello" }] });
  assert.equal(seen.target, "/v1/messages");
};
