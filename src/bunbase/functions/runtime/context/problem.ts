/** The errors of BunBase. */

/**
 * An error with which BunBase answers. `ctx.data`, `ctx.auth` and reading a request throw this error; `fetch` throws a
 * TypeError with this error as `cause`.
 */
export interface Problem extends Error {
  /** Never changes between versions, so programs can depend on it. */
  readonly code: string;
  readonly status: number;
  /** An explanation for people, which contains the next step. */
  readonly detail: string;
}
