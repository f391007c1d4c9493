/**
 * The parts of a sign-in that need a browser and a person: other pages, windows, passkeys. `auth` loads this module
 * only when it is first needed, so that it does not slow down the other pages of an app.
 */

export { Account } from "./account.js";
export { finish, leave } from "./away.js";
export { Totp } from "./factors.js";
export { Identities, Sessions } from "./lists.js";
export { Passkeys } from "./passkeys.js";
export { answerWithPasskey } from "./webauthn.js";
