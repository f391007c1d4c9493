// Applies MongoDB updates with mingo. Reads lines of {document, update}, writes lines of {document} or {error}.
const { readFileSync } = require("node:fs");
const { updateOne } = require("mingo/updater");

for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const { document, update: { arrayFilters, ...operators } } = JSON.parse(line);
  try {
    const documents = [document];
    updateOne(documents, {}, operators, { arrayFilters });
    console.log(JSON.stringify({ document: documents[0] }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error) }));
  }
}
