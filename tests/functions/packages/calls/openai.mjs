import assert from "node:assert";
import OpenAI, { toFile } from "openai";

export default async (at) => {
  const client = new OpenAI({ apiKey: "key", baseURL: at, maxRetries: 0 });
  const seen = await client.chat.completions.create({ model: "m", messages: [{ role: "user", content: "hello" }] });
  assert.equal(seen.target, "/chat/completions");
  const uploaded = await client.files.create({ purpose: "assistants", file: await toFile(Buffer.from("bytes"), "a.txt") });
  assert.match(uploaded.headers["content-type"], /^multipart\/form-data/);
};
