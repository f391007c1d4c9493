/** Jobs, which run functions later, and schedules, which run functions at set times. */

import type { Call, Json, Listed, WriteCall } from "bunbase-js";
import { randomText } from "bunbase-js/internal";
import { type Connection, type PageCall, search } from "./connection.js";

/**
 * `key`: while a job of this function with the same key waits or runs, the server creates no second job. `attempts`: at
 * most 20.
 */
export interface EnqueueOptions extends WriteCall {
  delay_seconds?: number | undefined;
  run_at?: Date | string | undefined;
  key?: string | undefined;
  attempts?: number | undefined;
}

export interface Job {
  id: string;
  function: string;
  kind: "change" | "cron" | "hook" | "job";
  state: "blocked" | "dead" | "running" | "waiting";
  attempt: number;
  attempts: number;
  created_at: string;
  due_at: string;
  key?: string | null;
  error?: string | null;
  payload?: unknown;
}

export interface JobQuery extends PageCall {
  state?: Job["state"] | undefined;
  function?: string | undefined;
}

export interface Schedule {
  function: string;
  cron: string;
  time_zone: string;
  overlap: boolean;
  next_at: string | null;
}

export class Jobs {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Runs a function later, as a job. A retry after a lost response adds no second job.
   *
   * ```ts
   * const job = await admin.jobs.enqueue("resize", { image: "rye.jpg" }, { delay_seconds: 60 });
   * ```
   */
  async enqueue(functionName: string, payload?: Json, options: EnqueueOptions = {}): Promise<Job> {
    const { delay_seconds, run_at, key, attempts, idempotencyKey = randomText(), ...call } = options;
    const body = { function: functionName, payload, delay_seconds, run_at, key, attempts };
    const headers = { "Idempotency-Key": idempotencyKey };
    const wanted = { method: "POST", path: this.#connection.ofBoth("jobs"), body, headers, repeatable: true };
    return this.#connection.send(wanted, call);
  }

  /**
   * Returns one page of the jobs that wait, run, or have failed for good (`dead`). Only members may call this method.
   *
   * ```ts
   * const { items } = await admin.jobs.list({ state: "dead" });
   * ```
   */
  async list({ state, function: functionName, limit, cursor, ...call }: JobQuery = {}): Promise<Listed<Job>> {
    const query = search({ state, function: functionName, limit, cursor });
    return this.#connection.read(this.#connection.ofMembers("jobs") + query, call);
  }

  /**
   * Returns a job with its payload. Only members may call this method.
   *
   * ```ts
   * const { state, error } = await admin.jobs.get("job_1");
   * ```
   */
  async get(id: string, call?: Call): Promise<Job> {
    return this.#connection.read(this.#connection.ofMembers("jobs", id), call);
  }

  /**
   * Runs a dead job again. Only members may call this method.
   *
   * ```ts
   * await admin.jobs.replay("job_1");
   * ```
   */
  async replay(id: string, call?: Call): Promise<Job> {
    return this.#connection.send({ method: "POST", path: this.#connection.ofMembers("jobs", id, "replay") }, call);
  }

  /**
   * Deletes a job that does not run. Only members may call this method.
   *
   * ```ts
   * await admin.jobs.delete("job_1");
   * ```
   */
  async delete(id: string, call?: Call): Promise<void> {
    await this.#connection.send({ method: "DELETE", path: this.#connection.ofMembers("jobs", id) }, call);
  }
}

export class Schedules {
  readonly #connection: Connection;

  /** @internal */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /**
   * Returns one page of the schedules of all functions. Only members may call this method.
   *
   * ```ts
   * const { items } = await admin.schedules.list();
   * ```
   */
  async list({ limit, cursor, ...call }: PageCall = {}): Promise<Listed<Schedule>> {
    return this.#connection.read(this.#connection.ofMembers("schedules") + search({ limit, cursor }), call);
  }
}
