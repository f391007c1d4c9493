/** Migrations: functions that change every document of a collection. */

import type { Context } from "../context.ts";
import type { AnyDocument, System } from "./data.ts";

/**
 * The change of one document. `patch`: a merge patch or update operators. If nothing is returned, the document stays
 * unchanged.
 */
export type Migrated =
  | Readonly<{ patch: AnyDocument }>
  | Readonly<{ replace: AnyDocument }>
  | Readonly<{ delete: true }>
  | null
  | undefined
  | void;

/**
 * A migration of documents: `export const migration: Migration = { … }` in `migrations/0001_name.ts`. BunBase calls
 * `each` for every document of the collection. The result is written only if the document has not changed meanwhile.
 */
export type Migration<T = AnyDocument> = Readonly<{
  collection: string;
  each(document: T & System, context: Context): Migrated | Promise<Migrated>;
}>;
