import assert from "node:assert";
import ejs from "ejs";

export default async () => assert.equal(await ejs.render("<%= await a %>", { a: Promise.resolve("<") }, { async: true }), "&lt;");
