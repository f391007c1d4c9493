import assert from "node:assert";
import Handlebars from "handlebars";

export default () => {
  const page = Handlebars.compile("{{#each items}}{{upper name}}, {{/each}}");
  Handlebars.registerHelper("upper", (text) => text.toUpperCase());
  assert.equal(page({ items: [{ name: "a" }, { name: "<b>" }] }), "A, &lt;B&gt;, ");
};
