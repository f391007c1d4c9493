import assert from "node:assert";
import Stripe from "stripe";

export default async (at) => {
  const { hostname: host, port } = new URL(at);
  const client = new Stripe("sk_test", { host, port, protocol: "https", maxNetworkRetries: 0 });
  const seen = await client.customers.create({ email: "a@b.example" });
  assert.deepEqual([seen.target, seen.body], ["/v1/customers", "email=a%40b.example"]);
};
