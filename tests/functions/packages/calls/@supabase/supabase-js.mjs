import assert from "node:assert";
import { createClient } from "@supabase/supabase-js";

export default async (at) => {
  const client = createClient(at, "key", { auth: { persistSession: false } });
  const { data, error } = await client.from("things").select("a").eq("b", 1);
  assert.equal(error, null);
  assert.equal(data.target, "/rest/v1/things?select=a&b=eq.1");
};
