import { useCallback, useSyncExternalStore } from "react";

import type { Transport } from "../transport.js";

/** Returns the id of the signed-in user, and renders again when this changes. @internal */
export function useUserId(credentials: Transport["credentials"]): string | undefined {
  const subscribe = useCallback((changed: () => void) => credentials?.follow(changed) ?? (() => {}), [credentials]);
  return useSyncExternalStore(subscribe, () => credentials?.userId, () => undefined);
}
