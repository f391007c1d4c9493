/** Hooks: the functions in the export `hooks` that BunBase itself calls. The host names the hook, never a request. */

import type { Context, Handler } from "./context.ts";

const NAMES: Readonly<Record<string, string>> = {
  before_signup: "beforeSignup",
  before_token: "beforeToken",
  after_signup: "afterSignup",
  send_mail: "sendMail",
  send_sms: "sendSms",
  before_write: "beforeWrite",
};

type Hook = (event: unknown, context: Context) => unknown;
type Refusal = Readonly<{ refuse?: unknown }>;
type Writes = Readonly<{ hook: string; caller: unknown; writes: readonly object[] }>;

/**
 * Returns a handler that calls a hook with the event in the body. The handler throws if the function has no such hook.
 */
export function hookOf(hooks: unknown, hook: string): Handler {
  return async (request: Request, context: Context) => {
    const name = NAMES[hook] ?? hook;
    const called = typeof hooks === "object" && hooks !== null ? (hooks as Record<string, unknown>)[name] : undefined;
    if (typeof called !== "function") {
      throw new Error(`This function has no hook ${name}: export const hooks = { ${name}(event, ctx) { … } }`);
    }
    const event: unknown = await request.json();
    const ask: Hook = (about, ctx) => called.call(hooks, about, ctx) as unknown;
    const answer = hook === "before_write" ? await askAboutWrites(ask, event as Writes, context) : await ask(event, context);
    if (answer instanceof Response) {
      throw new TypeError(`The hook ${name} returned a Response. Return an object, or throw an error.`);
    }
    return answer ?? undefined; // Null also means no answer.
  };
}

/** Calls the hook for the writes of one commit, in order and up to the first refusal. */
async function askAboutWrites(ask: Hook, event: Writes, context: Context): Promise<unknown> {
  const { hook, caller, writes } = event;
  const answers: unknown[] = [];
  for (const write of writes) {
    const answer = await ask({ hook, caller, ...write, writes }, context);
    answers.push(answer ?? null); // Undefined also allows the write unchanged.
    if ((answer as Refusal | null | undefined)?.refuse !== undefined) break;
  }
  return { answers };
}

/** Answers the requests to a function that has only hooks. */
export const onlyHooks: Handler = () =>
  Response.json(
    { code: "function_has_only_hooks", title: "This function answers no requests", status: 404 },
    { status: 404, headers: { "content-type": "application/problem+json" } },
  );
