/**
 * The parts of a sign-in that need a browser and a person: other pages, windows, passkeys. They are a module of their
 * own, which `auth` loads when it is needed first, so that the other pages of an app do not pay for it.
 */

export { Account } from "./account.js";
export { finish, leave } from "./away.js";
export { Totp } from "./factors.js";
export { Identities, Sessions } from "./lists.js";
export { Passkeys } from "./passkeys.js";
export { answerWithPasskey } from "./webauthn.js";
