// Fills the project: 11,000 items in one household, and 10,000 in twenty others. A second run changes nothing.
import { createAdminFromEnv } from "bunbase-admin";

const GOODS = [
  { title: "Oat milk", category: "food" },
  { title: "Bread", category: "food" },
  { title: "Rent", category: "home" },
  { title: "Train to Hamburg", category: "travel" },
  { title: "Coconut milk", category: "food" },
  { title: "Cinema", category: "fun" },
  { title: "Light bulbs", category: "home" },
];
const ITEMS = Number(process.env.ITEMS ?? 11_000); // the number of items in the first household
const START = Date.parse("2025-01-01T00:00:00Z");
const PAUSE = Math.round((11_000 * 3_600_000) / ITEMS); // one item each hour, so the items cover 15 months

const admin = await createAdminFromEnv(); // uses BUNBASE_URL and BUNBASE_SECRET_KEY, which bun reads from .env
const households = admin.data.collection("households");
const members = admin.data.collection("members");

async function person(email, household) {
  const known = await admin.users.list({ email });
  const user = known.items[0] ?? (await admin.users.create({ email, password: "apples and pears", email_verified: true }));
  if (household) await members.put(`${household}_${user.id}`, { household, user: user.id, email });
  return user.id;
}

function* items(household, by, count) {
  for (let n = 0; n < count; n++) {
    const paid_at = new Date(START + n * PAUSE).toISOString();
    yield { _id: `${household}-${n}`, household, ...GOODS[n % GOODS.length], cents: 100 + ((n * 37) % 4900), paid_at, by };
  }
}

function* everything() {
  yield* items("home", ada, ITEMS);
  for (const other of others) yield* items(other, eve, Math.round(ITEMS / 22));
}

const others = Array.from({ length: 20 }, (_, n) => `street-${n + 1}`);
for (const id of ["home", ...others]) await households.put(id, { name: id });
const ada = await person("ada@example.com", "home");
const eve = await person("eve@example.com", "street-1");
await person("bob@example.com"); // this user belongs to no household yet
const { imported, skipped, failed } = await admin.import(everything(), { collection: "items", mode: "skip" });
console.log(`${imported} items imported, ${skipped} skipped, ${failed} failed. Next: bun report.mjs`);
if (failed) process.exit(1);
