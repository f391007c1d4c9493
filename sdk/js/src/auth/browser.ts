/**
 * The parts of a sign-in that need a browser and a person: other pages, windows, passkeys. They are a module of their
 * own, which `auth` loads when it is needed first, so that the other pages of an app do not pay for it.
 */

export { finish, leave } from "./away.js";
export { answerWithPasskey, createPasskey } from "./webauthn.js";
