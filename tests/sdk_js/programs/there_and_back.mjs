/** Reads each line of JSON from a file, and prints it as this client writes it. */

import { readFileSync } from "node:fs";

const [module, file] = process.argv.slice(2);
const { readJson, writeJson } = await import(module);
for (const line of readFileSync(file, "utf8").trimEnd().split("\n"))
  console.log(writeJson(readJson(line)));
