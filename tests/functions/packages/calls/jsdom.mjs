import assert from "node:assert";
import { JSDOM } from "jsdom";

export default () => assert.equal(new JSDOM("<p>Hello <b>world</b>").window.document.querySelector("b").textContent, "world");
