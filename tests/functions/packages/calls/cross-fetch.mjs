import assert from "node:assert";
import fetch from "cross-fetch";

export default async (at) => {
  const answer = await fetch(at + "/a", { method: "POST", body: "text" });
  assert.equal((await answer.json()).body, "text");
};
