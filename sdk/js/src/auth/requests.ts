import type { Call } from "../call.js";
import type { Transport, Wanted } from "../transport.js";
import type { SessionKeeper } from "./session.js";
import type { SignedIn, SignInCall, User } from "./types.js";

/** Requests below `/v1/auth`. GET is repeated when it fails; everything else is sent once. @internal */
export class AuthRequests {
  constructor(
    readonly transport: Transport,
    readonly keeper: SessionKeeper,
  ) {}

  send<T>(method: string, path: string, body?: unknown, call?: Call, as: Wanted["as"] = "user"): Promise<T> {
    const wanted = { method, path: `/v1/auth${path}`, body, as, repeatable: method === "GET" };
    return this.transport.json<T>(wanted, call);
  }

  /** Sends a request that needs no user. */
  post<T>(path: string, body: unknown, call?: Call): Promise<T> {
    return this.send("POST", path, body, call, "nobody");
  }

  /** Sends a sign-in, and begins the session of its answer. An anonymous user becomes the user who signs in. */
  async signIn(path: string, body: unknown, call: SignInCall = {}, upgrades = true): Promise<User> {
    return this.keeper.begin(await this.answer(path, body, call, upgrades));
  }

  async answer(path: string, body: unknown, call: SignInCall = {}, upgrades = true): Promise<SignedIn> {
    await this.keeper.ready;
    const upgrade = upgrades && call.upgrade !== false && this.keeper.user?.anonymous === true;
    return this.send("POST", path, body, call, upgrade ? "user" : "nobody");
  }
}
