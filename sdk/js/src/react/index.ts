/** Hooks for React 18 and later. */

import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import type { Auth } from "../auth/auth.js";
import type { User } from "../auth/types.js";
import type { Collection } from "../data/collection.js";
import type { CollectionTypes, Found, Page, Query } from "../data/types.js";
import { writeJson } from "../json.js";
import { Problem } from "../problem.js";

/**
 * Returns the signed-in user, or null, and renders again when this changes. On a server, it returns null.
 *
 * ```tsx
 * const user = useUser(client.auth);
 * return user ? <p>{user.email}</p> : <SignInForm />;
 * ```
 */
export function useUser(auth: Auth): User | null {
  const subscribe = useCallback((changed: () => void) => auth.onChange(changed), [auth]);
  return useSyncExternalStore(subscribe, () => auth.user, () => null);
}

export interface QueryState<T> {
  /** The last answer. It stays while the next one is on its way. */
  page: Page<T> | undefined;
  problem: Problem | undefined;
  loading: boolean;
  /** Asks again. */
  reload(): void;
}

/**
 * Asks for one page of documents, and again whenever the query changes. The query may be written in place: it is
 * compared by its contents. Pass null as long as there is nothing to ask.
 *
 * ```tsx
 * const { page, problem, loading } = useQuery(client.data.collection("posts"), { where: { draft: false }, limit: 10 });
 * ```
 */
export function useQuery<C extends CollectionTypes, const S extends string = never>(
  collection: Collection<C>,
  query: Query<C, S> | null,
): QueryState<Found<C, S>> {
  const text = query && writeJson(query);
  const asked = useRef(query);
  asked.current = query;
  const [state, setState] = useState<Omit<QueryState<Found<C, S>>, "reload">>({ page: undefined, problem: undefined, loading: query !== null });
  const [times, setTimes] = useState(0);
  useEffect(() => {
    if (text === null) return;
    const ending = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    collection.query(asked.current ?? {}, { signal: ending.signal }).then(
      (page) => !ending.signal.aborted && setState({ page, problem: undefined, loading: false }),
      (error: unknown) => {
        if (ending.signal.aborted) return;
        if (!Problem.is(error)) throw error;
        setState((before) => ({ ...before, problem: error, loading: false }));
      },
    );
    return () => ending.abort();
  }, [collection.name, text, times]);
  const reload = useCallback(() => setTimes((before) => before + 1), []);
  return useMemo(() => ({ ...state, reload }), [state, reload]);
}
