import assert from "node:assert";
import { Builder, parseStringPromise } from "xml2js";

export default async () => {
  assert.deepEqual(await parseStringPromise("<a><b x='1'>t</b></a>"), { a: { b: [{ _: "t", $: { x: "1" } }] } });
  assert.match(new Builder({ headless: true }).buildObject({ a: 1 }), /<a>1<\/a>/);
};
