/** The client of the server, for all parts of the page. */

import { createClient } from "bunbase-js";

import type { Database } from "./database.ts";

// start.mjs replaces these names by the values of .env
declare const BUNBASE_URL: string;
declare const BUNBASE_KEY: string;

export const client = createClient<Database>(BUNBASE_URL, BUNBASE_KEY);
export const todos = client.data.collection("todos");
