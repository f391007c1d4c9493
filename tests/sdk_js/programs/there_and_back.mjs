/** Parses each line of JSON from a file with this client, and prints the client's JSON for the value. */

import { readFileSync } from "node:fs";

const [module, file] = process.argv.slice(2);
const { readJson, writeJson } = await import(module);
for (const line of readFileSync(file, "utf8").trimEnd().split("\n"))
  console.log(writeJson(readJson(line)));
