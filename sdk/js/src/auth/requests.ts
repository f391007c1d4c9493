import type { Call } from "../call.js";
import { Problem } from "../problem.js";
import { path, type Transport } from "../transport.js";
import type { SessionKeeper } from "./session.js";
import type { SignedIn, SignInCall, User } from "./types.js";

/**
 * Loads the modules that only pages with a person need. `shown`: an open window that waits for these modules. @internal
 */
export async function browser(shown?: Window | null): Promise<typeof import("./browser.js")> {
  try {
    return await import("./browser.js");
  } catch (cause) {
    shown?.close();
    const detail = "A part of bunbase-js could not be loaded. Load the page again.";
    throw new Problem({ code: "network", detail }, { cause });
  }
}

/** Requests below `/v1/auth`. GET is repeated when it fails; everything else is sent once. @internal */
export class AuthRequests {
  /**
   * Modules that are loaded later use this member instead of an import, because an import would add a request, or a
   * second copy of the class.
   */
  readonly Problem = Problem;
  readonly path = path;

  constructor(
    readonly transport: Transport,
    readonly keeper: SessionKeeper,
  ) {}

  send<T>(method: string, path: string, body?: unknown, call?: Call, token?: string | null): Promise<T> {
    return this.transport.json<T>({ method, path: `/v1/auth${path}`, body, token, repeatable: method === "GET" }, call);
  }

  /** Sends a request that needs no user. */
  post<T>(path: string, body: unknown, call?: Call): Promise<T> {
    return this.send("POST", path, body, call, null);
  }

  /**
   * Sends a sign-in, and begins the session that the answer contains. An anonymous user becomes the user who signs in.
   */
  async signIn(path: string, body: unknown, call: SignInCall = {}, upgrades = true): Promise<User> {
    return this.keeper.begin(await this.answer(path, body, call, upgrades));
  }

  async answer(path: string, body: unknown, call: SignInCall = {}, upgrades = true): Promise<SignedIn> {
    await this.keeper.ready;
    const upgrade = upgrades && call.upgrade !== false && this.keeper.user?.anonymous === true;
    return this.send("POST", path, body, call, upgrade ? undefined : null);
  }

  /** Sends a change of the user, and stores the changed user that the answer contains. */
  async changed(method: string, path: string, body?: unknown, call?: Call): Promise<User> {
    const { user } = await this.send<{ user: User }>(method, path, body, call);
    return this.keeper.change(user);
  }
}
