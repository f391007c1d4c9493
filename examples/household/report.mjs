// Prints a report for one member: the newest items, a search, and the sums by month and category as CSV.
import { createClient } from "bunbase-js";

const { BUNBASE_URL, BUNBASE_KEY, EMAIL = "ada@example.com", PASSWORD = "apples and pears" } = process.env;
if (!BUNBASE_URL || !BUNBASE_KEY) throw new Error("Run `sh setup.sh` first: it writes .env.");

const client = createClient(BUNBASE_URL, BUNBASE_KEY);
await client.auth.signIn({ email: EMAIL, password: PASSWORD });
const items = client.data.collection("items");
const { items: households } = await client.data.collection("households").query();
if (!households.length) console.error(`${EMAIL} belongs to no household.`);

async function summary({ _id: household, name }) {
  const newest = await items.query({ where: { household }, sort: ["-paid_at"], limit: 3, count: true });
  const milk = await items.query({ where: { household, $search: "milk" }, sort: ["-paid_at"], limit: 3, count: true });
  const titles = newest.items.map(({ title }) => title).join(", ");
  console.error(`${name}: ${newest.count} items, the newest: ${titles}; ${milk.count} with "milk"`);
}

function sums({ _id: household }) {
  return items.aggregate({
    where: { household },
    group: [{ $dateTrunc: { field: "paid_at", unit: "month", timezone: "Europe/Berlin" }, as: "month" }, "category"],
    values: { cents: { $sum: "cents" }, n: { $count: true } },
  });
}

console.log("household,month,category,euros,items");
for (const household of households) {
  await summary(household);
  for (const { month, category, cents, n } of await sums(household)) {
    console.log([household._id, month.slice(0, 7), category, (cents / 100).toFixed(2), n].join(","));
  }
}
