import assert from "node:assert";
import { Writable } from "node:stream";
import pino from "pino";

export default () => {
  const lines = [];
  const into = new Writable({ write: (line, _, done) => (lines.push(JSON.parse(line)), done()) });
  pino({ base: null }, into).child({ a: 1 }).error(new Error("broken"), "what happened");
  assert.deepEqual([lines[0].msg, lines[0].a, lines[0].err.message], ["what happened", 1, "broken"]);
  pino().info("to the standard output");
};
