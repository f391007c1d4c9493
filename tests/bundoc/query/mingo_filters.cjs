// Checks with mingo whether documents match filters. Reads lines of {document, where}, writes {matches} or {error}.
const { readFileSync } = require("node:fs");
const { Query } = require("mingo");

for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const { document, where } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ matches: new Query(where).test(document) }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
