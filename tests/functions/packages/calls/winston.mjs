import assert from "node:assert";
import { Writable } from "node:stream";
import winston from "winston";

export default async () => {
  const lines = [];
  const stream = new Writable({ write: (line, _, done) => (lines.push(String(line)), done()) });
  const transports = [new winston.transports.Stream({ stream }), new winston.transports.Console()];
  const logger = winston.createLogger({ format: winston.format.json(), transports });
  logger.info("hello", { a: 1 });
  await new Promise((resolve) => logger.on("finish", resolve).end());
  assert.equal(JSON.parse(lines[0]).a, 1);
};
