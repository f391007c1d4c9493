import assert from "node:assert";
import { marked } from "marked";

export default async () => assert.equal(await marked.parse("# a\n\n*b*"), "<h1>a</h1>\n<p><em>b</em></p>\n");
