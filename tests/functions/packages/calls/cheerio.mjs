import assert from "node:assert";
import * as cheerio from "cheerio";

export default () => assert.equal(cheerio.load("<p class=a>b</p>")("p.a").text(), "b");
