/** Tests rules, and changes nothing. */

import type { Call } from "bunbase-js";
import type { Rules, RuleWarning } from "./collections.js";
import type { Connection } from "./connection.js";

type Fields = Readonly<Record<string, unknown>>;

/** An access. `doc`: the stored document. `next`: the document after a write. `auth`: null for a visitor. */
export interface RuleCase {
  collection: string;
  op: "list" | "get" | "create" | "update" | "delete";
  id?: string;
  doc?: Fields | null;
  next?: Fields | null;
  auth?: ({ uid: string } & Fields) | null;
  now?: string | null;
}

/** The other documents that `get(…)` in rules can read, by collection and id. */
export interface RuleDocuments {
  documents?: Readonly<Record<string, Readonly<Record<string, Fields>>>> | null;
}

export interface OneCase extends RuleCase, RuleDocuments {
  /** Rules to test in place of the saved rules. */
  rules?: Rules | null;
}

export interface ManyCases extends RuleDocuments {
  cases: readonly RuleCase[];
  /** Rules to test in place of the saved rules, by collection. */
  rules?: Readonly<Record<string, Rules>> | null;
}

/** The trace has the value of each part of the rule. */
export interface CaseDecision {
  allowed: boolean;
  hidden: string[];
  trace: { expr: string; value: unknown; line: number; column: number; [more: string]: unknown }[];
}

/** `warnings`: list rules that will refuse lists when the collection has grown. */
export interface Decision extends CaseDecision {
  warnings: RuleWarning[];
}

/**
 * `items`: one decision for each case, in order. `warnings`: the list rules of all collections that will refuse lists
 * when the collection has grown.
 */
export interface Decisions {
  items: CaseDecision[];
  coverage: Fields[];
  warnings: RuleWarning[];
}

export class RuleTests {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Decides one case, or a list of cases, with the saved rules or with the rules that you pass.
   *
   * ```ts
   * const { allowed, trace } = await admin.rules.test({
   *   collection: "posts",
   *   op: "create",
   *   next: { owner: "usr_1" },
   *   auth: { uid: "usr_1" },
   *   rules: { create: "auth.uid == next.owner" },
   * });
   * ```
   */
  async test<T extends OneCase | ManyCases>(body: T, call?: Call): Promise<T extends ManyCases ? Decisions : Decision> {
    return this.#connection.send({ method: "POST", path: "/v1/rules/test", body, repeatable: true }, call);
  }
}
