/** For servers that render pages or that check the tokens of users. */

export { Problem } from "../problem.js";
export type { ProblemCode } from "../problem_codes.js";
export type { User } from "../auth/types.js";
export { createRequestClient, type RequestClient, type RequestOptions } from "./cookies.js";
export { createVerifier, type Claims, type Verifier, type VerifyCall } from "./verify.js";
