/** These types and the runtime's own are the same: a change of one must be made to the other. */

import type { Context } from "../index.d.ts";
import type { Context as OfRuntime } from "../../../src/bunbase/functions/runtime/context.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export const agreed: Same<keyof Context, keyof OfRuntime> = true;
export const published = (context: OfRuntime): Context => context;
export const provided = (context: Context): OfRuntime => context;
