/** Hooks for React 18 and later. */

import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import type { Auth } from "../auth/auth.js";
import type { User } from "../auth/types.js";
import type { Collection } from "../data/collection.js";
import type { CollectionTypes, Found, Page, Query } from "../data/types.js";
import { writeJson } from "../json.js";
import type { Channel } from "../live/channel.js";
import type { LiveCollection, LiveQuery } from "../live/collection.js";
import type { ChannelMessage, Member } from "../live/protocol.js";
import type { LiveResult } from "../live/views.js";
import { invalidValue, Problem } from "../problem.js";
import { useUserId } from "./users.js";

export type { AddressOptions, FileAddress, SignedAddress } from "./addresses.js";
export { type FilesState, type FilesUse, type UploadState, type UploadUse, useFiles, useFileUrl, useUpload } from "./files.js";

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
  /** The last page that has arrived. The page stays while the next page is being loaded. */
  page: Page<T> | undefined;
  problem: Problem | undefined;
  loading: boolean;
  /** Loads the page again. */
  reload(): void;
}

/**
 * Loads one page of documents, and loads it again whenever the query or the signed-in user changes. You may write the
 * query inline, because the hook compares its contents. Pass null as long as there is nothing to load. A user never
 * sees a page of another user.
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
  const userId = useUserId(collection.requests.transport.credentials);
  const asked = useRef(query);
  asked.current = query;
  const [state, setState] = useState<State<Found<C, S>>>({ userId, page: undefined, problem: undefined, loading: query !== null });
  const [times, setTimes] = useState(0);
  useEffect(() => {
    if (text === null) return;
    const ending = new AbortController();
    setState((before) => ({ ...(before.userId === userId ? before : { userId, page: undefined, problem: undefined }), loading: true }));
    collection.query(asked.current ?? {}, { signal: ending.signal }).then(
      (page) => !ending.signal.aborted && setState({ userId, page, problem: undefined, loading: false }),
      (error: unknown) => {
        if (ending.signal.aborted) return;
        if (!Problem.is(error)) throw error;
        setState((before) => ({ ...before, problem: error, loading: false }));
      },
    );
    return () => ending.abort();
  }, [collection.name, text, times, userId]);
  const reload = useCallback(() => setTimes((before) => before + 1), []);
  return useMemo(() => {
    const { userId: of, ...mine } = state; // the state of another user stays for one rendering, until the effect runs
    return { ...(of === userId ? mine : { page: undefined, problem: undefined, loading: text !== null }), reload };
  }, [state, reload, userId, text]);
}

const NONE: never[] = [];
const NOTHING: LiveResult<never> = {
  ...{ items: NONE, added: NONE, changed: NONE, removed: NONE, moved: NONE },
  ...{ count: undefined, problem: undefined, loading: false, state: "behind", pending: false },
};
const WAITING: LiveResult<never> = { ...NOTHING, loading: true };

/**
 * Watches a live query, and renders the component again with each new result. You may write the query inline, because
 * the hook compares its contents. Pass null as long as there is nothing to follow. A user never sees a result of
 * another user. On a server, `loading` is always true.
 *
 * ```tsx
 * const { items, loading, state } = useLive(live.collection("posts"), { where: { draft: false }, limit: 10 });
 * ```
 */
export function useLive<C extends CollectionTypes, const S extends string = never>(
  collection: LiveCollection<C>,
  query: LiveQuery<C, S> | null,
): LiveResult<Found<C, S>> {
  const text = query && writeJson(query);
  const { views, name } = collection;
  // the collection and the query may be inline in the component, so they are new objects at each rendering
  const store = useMemo(() => query && collection.store(query), [views, name, text]);
  const subscribe = useCallback((changed: () => void) => store?.subscribe(changed) ?? (() => {}), [store]);
  const waiting = (text === null ? NOTHING : WAITING) as LiveResult<Found<C, S>>;
  return useSyncExternalStore(subscribe, () => store?.get() ?? waiting, () => waiting);
}

export interface ChannelState<P> {
  /**
   * The connections that have entered. If the channel has more than 500 connections, the list is empty, and only
   * `count` is known.
   */
  members: readonly Member<P>[];
  count: number;
  problem: Problem | undefined;
}

export interface ChannelUse<P> {
  /** The value with which the user enters the list of members. The value may change with each rendering. */
  presence?: P | undefined;
  /** The hook calls this function with each message. */
  message?: ((message: ChannelMessage) => unknown) | undefined;
}

const NOBODY: ChannelState<never> = { members: NONE, count: 0, problem: undefined };

/**
 * Joins a channel while the component is mounted, and renders the component again when the members of the channel
 * change. You may create the channel inside the component. Pass null while there is nothing to join.
 *
 * ```tsx
 * const { members } = useChannel<{ name: string }>(live.channel("rooms/7"), { presence: { name: "Ada" } });
 * ```
 */
export function useChannel<P = unknown>(channel: Channel | null, { presence, message, ...others }: ChannelUse<P> = {}): ChannelState<P> {
  for (const name of Object.keys(others)) throw invalidValue(name, "No such option.");
  const [state, setState] = useState<ChannelState<P>>(NOBODY);
  const text = presence === undefined ? undefined : writeJson(presence);
  const now = useRef({ channel, presence, message });
  now.current = { channel, presence, message };
  const joined = useRef<string>(undefined);
  const { name, rooms } = channel ?? {};
  // a presence belongs to one user; another user enters with the presence of its own rendering
  const userId = useUserId(rooms?.feed.credentials);
  useEffect(() => {
    const { channel, presence } = now.current;
    if (!channel) return;
    joined.current = text;
    const leave = channel.join(
      {
        message: (one) => now.current.message?.(one),
        members: (members, count) => setState({ members: members as readonly Member<P>[], count, problem: undefined }),
        problem: (problem) => setState({ ...NOBODY, problem }),
      },
      { presence },
    );
    return () => {
      leave();
      setState(NOBODY);
    };
  }, [name, rooms, text === undefined, userId]);
  useEffect(() => {
    const { channel, presence } = now.current;
    if (!channel || text === undefined || text === joined.current) return;
    joined.current = text;
    channel.setPresence(presence).catch((problem: Problem) => setState((before) => ({ ...before, problem })));
  }, [text]);
  return state;
}

interface State<T> extends Omit<QueryState<T>, "reload"> {
  /** The user who owns the loaded page. */
  userId: string | undefined;
}
