/** Hooks for files: an upload, a list, and the address of a private file. */

import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

import type { Bucket, BucketFiles } from "../files/bucket.js";
import type { FileContent, ListOptions, Progress, StoredFile, UploadOptions } from "../files/types.js";
import { writeJson } from "../json.js";
import { Problem } from "../problem.js";
import type { Wanted } from "../transport.js";
import { type AddressOptions, addressOf, type FileAddress, NO_ADDRESS } from "./addresses.js";
import { useUserId } from "./users.js";

const MAX_PAGES = 20;

export interface UploadState {
  state: "idle" | "running" | "done" | "failed" | "aborted";
  /** The sent bytes of the present upload; undefined before it begins. */
  progress: Progress | undefined;
  /** The stored file, with the state `done`. */
  file: StoredFile | undefined;
  /** The reason, with the state `failed`. */
  problem: Problem | undefined;
}

export interface UploadUse extends UploadState {
  /**
   * Uploads a file, and ends an upload that still runs. Resolves with the stored file, or with null if the upload failed
   * or was aborted. It never rejects because of a Problem.
   */
  upload(key: string, content: FileContent, options?: Omit<UploadOptions, "signal">): Promise<StoredFile | null>;
  /** Ends the upload. `retry` can begin it again. */
  abort(): void;
  /**
   * Uploads the same content again. A large file continues where the server has it. The content of a stream cannot be
   * read again, so call `upload` with a new stream.
   */
  retry(): Promise<StoredFile | null>;
  /** Ends the upload and forgets its result. */
  reset(): void;
}

const IDLE: UploadState = { state: "idle", progress: undefined, file: undefined, problem: undefined };

/**
 * Uploads one file at a time, and renders the component again with the progress. The upload ends when the component is
 * unmounted, and when the user signs out or changes: its result is never shown to another user. Use one component for
 * each file if several files are uploaded at the same time.
 *
 * ```tsx
 * const { upload, progress, problem, retry, abort } = useUpload(client.files.bucket("photos"));
 * ```
 */
export function useUpload(bucket: BucketFiles): UploadUse {
  const { transport, name } = bucket;
  const userId = useUserId(transport.credentials);
  const [shown, setShown] = useState<UploadState & { userId: string | undefined }>({ ...IDLE, userId });
  const running = useRef<AbortController>(undefined);
  const last = useRef<[string, FileContent, Omit<UploadOptions, "signal">]>(undefined);
  const now = useRef(bucket);
  now.current = bucket;
  useEffect(
    () => () => {
      running.current?.abort();
      running.current = last.current = undefined;
      setShown({ ...IDLE, userId: transport.credentials?.userId });
    },
    [transport, name, userId],
  );
  const upload = useCallback<UploadUse["upload"]>(
    async (key, content, options = {}) => {
      running.current?.abort();
      const ending = (running.current = new AbortController());
      last.current = [key, content, options];
      const show = (change: Partial<UploadState>) => {
        if (running.current === ending) setShown((before) => ({ ...before, ...change }));
      };
      // the effect that ends the upload of another user runs after the rendering
      setShown({ ...IDLE, state: "running", userId: transport.credentials?.userId });
      try {
        const onProgress = (progress: Progress) => {
          show({ progress });
          options.onProgress?.(progress);
        };
        const file = await now.current.upload(key, content, { ...options, onProgress, signal: ending.signal });
        show({ state: "done", file });
        return running.current === ending ? file : null;
      } catch (error) {
        if (!Problem.is(error)) {
          show({ state: "failed" });
          throw error;
        }
        if (Problem.is(error, "aborted")) show({ state: "aborted" });
        else show({ state: "failed", problem: error });
        return null;
      }
    },
    [transport, name],
  );
  const actions = useMemo(
    () => ({
      upload,
      abort: () => running.current?.abort(),
      retry: async () => (last.current ? upload(...last.current) : null),
      reset: () => {
        const before = running.current;
        running.current = last.current = undefined;
        before?.abort();
        setShown({ ...IDLE, userId: transport.credentials?.userId });
      },
    }),
    [upload, transport],
  );
  const { userId: of, ...mine } = shown;
  return { ...(of === userId ? mine : IDLE), ...actions };
}

export interface FilesState {
  /** The files of all pages that were loaded, in the order of their keys. */
  items: readonly StoredFile[];
  /** The groups of these pages, if the list has a `delimiter`. */
  prefixes: readonly string[];
  /** True if `more` loads a further page. A list has at most 20 pages. */
  hasMore: boolean;
  loading: boolean;
  problem: Problem | undefined;
}

export interface FilesUse extends FilesState {
  /** Loads the next page. */
  more(): void;
  /** Loads all pages again that are shown. */
  reload(): void;
}

const NO_FILES: FilesState = { items: [], prefixes: [], hasMore: false, loading: false, problem: undefined };

/**
 * Lists files page by page. The list is loaded again after each upload, copy, move or removal by the same client; it
 * does not follow changes of other users. You may write the options inline. Pass null as long as there is nothing to
 * list. A user never sees a list of another user.
 *
 * ```tsx
 * const { items, hasMore, more } = useFiles(client.files.bucket("photos"), { prefix: "2026/", limit: 50 });
 * ```
 */
export function useFiles(bucket: BucketFiles, options: Omit<ListOptions, "cursor"> | null): FilesUse {
  const { transport, name } = bucket;
  const userId = useUserId(transport.credentials);
  const text = options && writeJson(options);
  const asked = `${name} ${userId ?? ""} ${text}`;
  const now = useRef({ bucket, options });
  now.current = { bucket, options };
  const [wanted, setWanted] = useState({ asked, pages: 1, times: 0 });
  const [state, setState] = useState<FilesState & { asked: string }>({ ...NO_FILES, loading: text !== null, asked });
  const pages = wanted.asked === asked ? wanted.pages : 1;
  useEffect(() => {
    if (text === null) return;
    const ending = new AbortController();
    const show = (change: Partial<FilesState>) => {
      if (!ending.signal.aborted) setState((before) => ({ ...(before.asked === asked ? before : { ...NO_FILES, asked }), ...change }));
    };
    show({ loading: true });
    loaded(now.current.bucket, now.current.options!, pages, ending.signal).then(
      (found) => show({ ...found, loading: false, problem: undefined }),
      (error: unknown) => {
        if (ending.signal.aborted) return;
        if (!Problem.is(error)) throw error;
        show({ loading: false, problem: error });
      },
    );
    return () => ending.abort();
  }, [transport, asked, pages, wanted.times]);
  const reload = useCallback(() => setWanted((before) => ({ ...before, times: before.times + 1 })), []);
  useEffect(() => {
    if (text === null) return;
    const hear = (one: Wanted) => void (changesFiles(one) && reload());
    transport.answered.add(hear);
    return () => void transport.answered.delete(hear);
  }, [transport, text === null]);
  const { asked: of, ...found } = state;
  const shown = of === asked ? found : { ...NO_FILES, loading: text !== null };
  const { hasMore, loading } = shown;
  const more = useCallback(() => {
    if (hasMore && !loading) setWanted((before) => ({ ...before, asked, pages: pages + 1 }));
  }, [asked, pages, hasMore, loading]);
  return { ...shown, more, reload };
}

/** Loads the first pages of a list again, because a change can move files from one page to another. */
async function loaded(bucket: BucketFiles, options: ListOptions, pages: number, signal: AbortSignal): Promise<Partial<FilesState>> {
  const [items, prefixes]: [StoredFile[], string[]] = [[], []];
  let cursor: string | null = null;
  for (let page = 0; page < pages && (page === 0 || cursor !== null); page++) {
    const found = await bucket.list({ ...options, cursor }, { signal });
    items.push(...found.items);
    prefixes.push(...found.prefixes);
    cursor = found.next;
  }
  return { items, prefixes, hasMore: cursor !== null && pages < MAX_PAGES };
}

/** True if an answered request has changed files. The last request of an upload in parts asks for its state. */
function changesFiles({ method, path }: Wanted): boolean {
  if (path.startsWith("/v1/storage/tus/")) return method === "GET";
  return method !== "GET" && method !== "HEAD" && /^\/v1\/storage\/(objects|copy|move|delete)\b/.test(path);
}

/**
 * Returns an address of a private file, for example for an `<img>`. By default, the hook downloads the file with the
 * rights of the user, and the address is that of the bytes in memory; components that show the same file share them,
 * and they are freed with the last component. With `sign`, your server makes signed links, and the hook asks for a new
 * one before the present one expires: use this for large files and videos. Pass null as long as there is no file. A user
 * never sees a file of another user.
 *
 * ```tsx
 * const { url } = useFileUrl(client.files.bucket("photos"), "rye.jpg");
 * const film = useFileUrl(client.files.bucket("films"), "oven.mp4", {
 *   sign: (key) => client.functions.invoke<SignedAddress>("link", { key }),
 * });
 * ```
 */
export function useFileUrl(bucket: Bucket, key: string | null, { sign, version }: AddressOptions = {}): FileAddress {
  const { transport, name } = bucket;
  const userId = useUserId(transport.credentials);
  const now = useRef({ bucket, sign });
  now.current = { bucket, sign };
  const address = useMemo(
    () => (key === null ? undefined : addressOf(transport, userId, key, version, now.current)),
    [transport, name, userId, key, version, sign === undefined],
  );
  const subscribe = useCallback((changed: () => void) => address?.subscribe(changed) ?? (() => {}), [address]);
  const waiting = key === null ? NO_ADDRESS : LOADING;
  return useSyncExternalStore(subscribe, () => address?.state ?? waiting, () => waiting);
}

const LOADING: FileAddress = { ...NO_ADDRESS, loading: true };
