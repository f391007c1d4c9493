/**
 * The client's side of docs/live-protocol.md, without sockets and timers: for each call and each message of the server,
 * it returns the effects to perform. docs/decisions/0089 has the reasons.
 *
 * The life of a watch: `watch` is sent → `now` brings the result → each `diff` of its group changes it → a barrier
 * (`at` or `ping`) ends the state, so the result is shown. A lost `diff`, a wrong `check` or a new connection sends
 * `watch` again, with the ids of the documents that the client holds. The new `watch` has another id, so the client
 * drops late answers to the old `watch`.
 */

import { writeJson } from "../json.js";
import type { ProblemBody } from "../problem.js";
import type { ChannelMessage, LiveDocument, Member, Received, Sent, Since, Watched } from "./protocol.js";
import { applied, digest } from "./result.js";

/**
 * A query, or one document, that the client follows. `docs` is the newest result, which may be newer than the barrier
 * `at`.
 */
export interface Watch {
  readonly what: Watched;
  id: number;
  docs: readonly LiveDocument[] | undefined;
  n: number | undefined;
  /** The last barrier at which the result was up to date. */
  at: string | undefined;
  group: string | undefined;
  turn: number;
  /** True while the server's diffs reach this watch: from its `now` until the connection or a diff is lost. */
  fresh: boolean;
  /** True if there is something to show at the next barrier. */
  dirty: boolean;
  problem: ProblemBody | undefined;
}

/** A channel that the client has joined. `offset`: the number of the last message that the client has. */
export interface Join {
  readonly channel: string;
  id: number;
  since: Since | undefined;
  presence: unknown;
  /** The user who has set `presence`. The client does not send `presence` for another user. */
  owner: string | undefined;
  /** The presence that the server will have when all sent messages have arrived. */
  sent: unknown;
  c: string | undefined;
  epoch: string | undefined;
  offset: number;
  /**
   * `own`: the numbers of this client's messages that the server does not send back (`echo: false`). `early`: messages
   * that arrived before a message with a smaller number.
   */
  own: Set<number>;
  early: ChannelMessage[];
  members: Map<string, Member>;
  n: number;
  fresh: boolean;
  problem: ProblemBody | undefined;
}

type Request = Extract<Sent, { t: "publish" | "presence" | "sync" }>;

export type Effect =
  | { do: "send"; message: Sent }
  /** The server knows this client: the connection works. */
  | { do: "hello" }
  /** The server needs a new access token. */
  | { do: "token" }
  | { do: "show"; watch: Watch }
  /** The watch or the channel has ended with its `problem`. */
  | { do: "ended"; what: Watch | Join }
  | { do: "barrier"; at: string }
  | { do: "messages"; join: Join; messages: readonly ChannelMessage[]; lost: boolean }
  | { do: "members"; join: Join }
  | { do: "reply"; id: number; offset?: number | undefined; problem?: ProblemBody }
  | { do: "problem"; problem: ProblemBody }
  | { do: "bye"; code: string; afterMs: number | undefined };

/** @internal */
export class Machine {
  /** The last barrier. */
  at: string | undefined;
  /** The user of the present or the next connection. */
  user: string | undefined;
  readonly watches = new Set<Watch>();
  readonly joins = new Set<Join>();
  #requests = new Map<number, Request>();
  #open = false;
  #conn: string | undefined;
  #lastId = 0;

  /** True between `hello` and the loss of the connection. */
  get open(): boolean {
    return this.#open;
  }

  /** Returns the first message of a connection. The message continues the previous connection, if there was one. */
  begin(signIn: { key?: string; project?: string; explain?: string }, token: string | null): Sent {
    return { t: "auth", ...signIn, ...(token && { token }), ...(this.#conn && { resume: this.#conn }) };
  }

  /** Follows a query. `held`: a result of an earlier visit. */
  watch(what: Watched, held: Partial<Pick<Watch, "docs" | "n" | "at" | "group">> = {}): [Watch, Effect[]] {
    const empty = { docs: undefined, n: undefined, at: undefined, group: undefined };
    const watch: Watch = { what, ...empty, ...held, id: 0, turn: 0, fresh: false, dirty: false, problem: undefined };
    this.watches.add(watch);
    return [watch, this.#asked(watch)];
  }

  unwatch(watch: Watch): Effect[] {
    const known = this.watches.delete(watch) && this.#open && !watch.problem;
    return known ? [send({ t: "unwatch", id: watch.id })] : [];
  }

  /** Asks for the whole result again, after a problem. */
  again(what: Watch | Join): Effect[] {
    if (!what.problem) return []; // another user has signed in meanwhile
    what.problem = undefined;
    if ("what" in what) return this.watches.has(what) ? this.#asked(what) : [];
    return this.joins.has(what) ? this.#joined(what) : [];
  }

  join(channel: string, since?: Since, presence?: unknown): [Join, Effect[]] {
    const empty = { c: undefined, epoch: undefined, offset: 0, own: new Set<number>(), early: [], n: 0, fresh: false, problem: undefined };
    const join: Join = { channel, id: 0, since, presence, owner: this.user, sent: undefined, members: new Map(), ...empty };
    this.joins.add(join);
    return [join, this.#joined(join)];
  }

  /** Sets the presence, for the present user. The client sends it with a pending join, or with a later join. */
  present(join: Join, presence: unknown): void {
    Object.assign(join, { presence, owner: this.user });
  }

  leave(join: Join): Effect[] {
    const known = this.joins.delete(join) && this.#open && !join.problem;
    return known ? [send({ t: "leave", id: join.id })] : [];
  }

  /** Sends a message that has an answer, also on a later connection. Returns the id of the message. */
  request(message: Request extends infer R ? (R extends Request ? Omit<R, "id"> : never) : never): [number, Effect[]] {
    const request = { ...message, id: ++this.#lastId } as Request;
    this.#requests.set(request.id, request);
    return [request.id, this.#open ? [send(request)] : []];
  }

  /** Deletes a request, because nobody waits for its answer any more. */
  forget(id: number): void {
    this.#requests.delete(id);
  }

  get waiting(): number {
    return this.#requests.size;
  }

  /** Returns a message that the server answers at once, which shows that the connection works. */
  probe(): Sent {
    const id = ++this.#lastId;
    return this.at === undefined ? { t: "unwatch", id } : { t: "sync", id, at: this.at };
  }

  /** Tells the machine that the connection is lost. Results stay, and the next connection continues them. */
  closed(): void {
    this.#open = false;
    for (const what of [...this.watches, ...this.joins]) what.fresh = false;
  }

  /**
   * Tells the machine which user the storage has returned. Everything that the app has set before belongs to this user.
   */
  known(user: string | undefined): void {
    for (const join of this.joins) if (join.owner === this.user) join.owner = user;
    this.user = user;
  }

  /** Drops all state of the previous user, because another user has signed in. The caller must close the connection. */
  reset(user: string | undefined): Effect[] {
    this.closed();
    this.user = user;
    this.at = this.#conn = undefined;
    this.#requests.clear();
    for (const watch of this.watches) {
      Object.assign(watch, { docs: undefined, n: undefined, at: undefined, group: undefined, problem: undefined, dirty: false });
    }
    for (const join of this.joins) Object.assign(join, { c: undefined, epoch: undefined, members: new Map(), n: 0, problem: undefined });
    const shown: Effect[] = [...this.watches].map((watch) => ({ do: "show", watch }));
    return [...shown, ...[...this.joins].map((join): Effect => ({ do: "members", join }))];
  }

  receive(message: Received): Effect[] {
    switch (message.t) {
      case "hello":
        return this.#hello(message);
      case "auth":
        return [{ do: "token" }];
      case "now":
        return this.#now(message);
      case "diff":
        return this.#diff(message);
      case "at":
        return this.#barrier(message.at);
      case "ping":
        return [send({ t: "pong" }), ...(message.at === undefined ? [] : this.#barrier(message.at))];
      case "check":
        return this.#check(message);
      case "ok":
        return this.#done(message.id, message.offset);
      case "end":
      case "error":
        return this.#failed(message.id, message.problem);
      case "joined":
        return this.#arrived(message);
      case "msg":
        return this.#message(message);
      case "members":
        return this.#members(message);
      case "bye":
        return [{ do: "bye", code: message.code, afterMs: message.after_ms }];
      default:
        return []; // a newer server may send messages that this version does not know
    }
  }

  #hello({ conn }: Extract<Received, { t: "hello" }>): Effect[] {
    this.#conn = conn;
    if (this.#open) return []; // this is the answer to a renewed token
    this.#open = true;
    const watches = [...this.watches].filter(({ problem }) => !problem).flatMap((watch) => this.#asked(watch));
    const joins = [...this.joins].filter(({ problem }) => !problem).flatMap((join) => this.#joined(join));
    return [{ do: "hello" }, ...watches, ...joins, ...[...this.#requests.values()].map(send)];
  }

  /** Sends `watch`, with the ids and revisions that the client holds. */
  #asked(watch: Watch, old?: number, why?: "gap" | "check"): Effect[] {
    watch.fresh = false;
    if (!this.#open) return [];
    watch.id = ++this.#lastId;
    const { docs, at, group } = watch;
    const held = docs && at && group ? { at, g: group, have: docs.map(({ _id }) => _id) } : {};
    const asked = send({ t: "watch", id: watch.id, ...watch.what, ...held, ...(why && { why }) });
    return old ? [send({ t: "unwatch", id: old }), asked] : [asked];
  }

  #joined(join: Join, old?: number): Effect[] {
    join.fresh = false;
    join.early = [];
    if (!this.#open) return [];
    join.id = ++this.#lastId;
    const since = join.epoch === undefined ? join.since : { epoch: join.epoch, offset: join.offset };
    const { channel } = join;
    const presence = (join.sent = this.#presenceOf(join));
    const asked = send({ t: "join", id: join.id, channel, ...(since && { since }), ...(presence !== undefined && { presence }) });
    return old ? [send({ t: "leave", id: old }), asked] : [asked];
  }

  #now(message: Extract<Received, { t: "now" }>): Effect[] {
    const watch = find(this.watches, message.id);
    if (!watch) return []; // the watch has ended, or was sent again meanwhile
    const docs = message.resumed ? applied(watch.docs ?? [], message) : (message.docs ?? []);
    Object.assign(watch, { docs, n: message.n, group: message.g, turn: message.turn, fresh: true, dirty: true });
    return [];
  }

  #diff(message: Extract<Received, { t: "diff" }>): Effect[] {
    return this.#ofGroup(message.g).flatMap((watch) => {
      if (message.turn <= watch.turn) return []; // this difference was already applied
      if (message.turn > watch.turn + 1) return this.#asked(watch, watch.id, "gap");
      watch.docs = applied(watch.docs!, message);
      watch.n = message.n ?? watch.n;
      watch.turn = message.turn;
      watch.dirty = true;
      return [];
    });
  }

  #barrier(at: string): Effect[] {
    this.at = at;
    const shown: Effect[] = [];
    for (const watch of this.watches) {
      if (!watch.fresh) continue;
      watch.at = at;
      if (watch.dirty) shown.push({ do: "show", watch });
      watch.dirty = false;
    }
    // this call comes before results are shown: otherwise a result could contain both a write and its local echo
    return [{ do: "barrier", at }, ...shown];
  }

  #check({ g, turn, n, h }: Extract<Received, { t: "check" }>): Effect[] {
    return this.#ofGroup(g).flatMap((watch) => {
      const docs = watch.docs!;
      if (turn !== watch.turn || (docs.length === n && (digest(docs) ?? h) === h)) return [];
      watch.at = watch.group = undefined;
      return this.#asked(watch, watch.id, "check");
    });
  }

  #failed(id: number | null, problem: ProblemBody): Effect[] {
    const what = find(this.watches, id) ?? find(this.joins, id);
    if (!what) {
      if (id === null) return [{ do: "problem", problem }];
      return this.#requests.delete(id) ? [{ do: "reply", id, problem }] : [];
    }
    what.fresh = false;
    if ("what" in what) Object.assign(what, { docs: undefined, n: undefined, at: undefined, group: undefined, dirty: false });
    else Object.assign(what, { c: undefined, members: new Map(), n: 0 });
    what.problem = problem;
    return [{ do: "ended", what }];
  }

  #ofGroup(group: string): Watch[] {
    return [...this.watches].filter((watch) => watch.fresh && watch.group === group);
  }

  #arrived(message: Extract<Received, { t: "joined" }>): Effect[] {
    const join = find(this.joins, message.id);
    if (!join) return [];
    const known = join.epoch === message.epoch ? join.offset : -1;
    const messages = (message.messages ?? []).filter(({ offset }) => offset > known && !join.own.delete(offset));
    if (join.epoch !== message.epoch) join.own.clear();
    Object.assign(join, { c: message.c, epoch: message.epoch, offset: message.offset, fresh: true });
    join.members = new Map((message.members ?? []).map((member) => [member.m, member]));
    join.n = message.n ?? join.members.size;
    // the app set the presence after the client had sent the join
    const newer = this.#presenceOf(join) === join.sent ? [] : this.#present(join);
    const lost = message.lost ?? false;
    return [...newer, ...(messages.length || lost ? [{ do: "messages", join, messages, lost } as const] : []), { do: "members", join }];
  }

  #presenceOf({ owner, presence }: Join): unknown {
    return owner === this.user ? presence : undefined;
  }

  #present(join: Join): Effect[] {
    join.sent = join.presence;
    return this.request({ t: "presence", channel: join.channel, data: join.presence })[1];
  }

  #message({ t: _, c, ...message }: Extract<Received, { t: "msg" }>): Effect[] {
    return this.#ofChannel(c).flatMap((join) => {
      join.early.push(message);
      return this.#inOrder(join);
    });
  }

  /**
   * Delivers the messages in the order of their numbers. A missing number may belong to a message of this client whose
   * answer has not arrived yet.
   */
  #inOrder(join: Join): Effect[] {
    const messages: ChannelMessage[] = [];
    join.early = join.early.filter(({ offset }) => offset > join.offset).sort((one, other) => one.offset - other.offset);
    while (join.own.delete(join.offset + 1) || join.early[0]?.offset === join.offset + 1) {
      join.offset++;
      while (join.early[0] && join.early[0].offset <= join.offset) messages.push(join.early.shift()!);
    }
    const taken: Effect[] = messages.length ? [{ do: "messages", join, messages, lost: false }] : [];
    const unanswered = [...this.#requests.values()].some((one) => one.t === "publish" && one.echo === false && one.channel === join.channel);
    return join.early.length && !unanswered ? [...taken, ...this.#joined(join, join.id)] : taken;
  }

  #done(id: number, offset: number | undefined): Effect[] {
    const request = this.#requests.get(id);
    if (!request) return [];
    this.#requests.delete(id);
    const reply: Effect = { do: "reply", id, offset };
    if (request.t !== "publish" || request.echo !== false || offset === undefined) return [reply];
    const joins = [...this.joins].filter(({ channel, fresh }) => fresh && channel === request.channel);
    for (const join of joins) if (offset > join.offset) join.own.add(offset);
    return [...joins.flatMap((join) => this.#inOrder(join)), reply];
  }

  #members({ c, members, enter, update, leave, n }: Extract<Received, { t: "members" }>): Effect[] {
    return this.#ofChannel(c).flatMap((join): Effect[] => {
      const before = writeJson([[...join.members.values()], join.n]);
      // a message with only a count means that there are too many members for a list; a later message has the whole
      // list in `members`
      if (members || !(enter ?? update ?? leave)) join.members = new Map();
      for (const member of [...(members ?? []), ...(enter ?? []), ...(update ?? [])]) join.members.set(member.m, member);
      for (const m of leave ?? []) join.members.delete(m);
      join.n = n ?? join.members.size;
      // the list in `joined` may already contain a change that the server then sends again
      return before === writeJson([[...join.members.values()], join.n]) ? [] : [{ do: "members", join }];
    });
  }

  #ofChannel(c: string): Join[] {
    return [...this.joins].filter((join) => join.fresh && join.c === c);
  }
}

function send(message: Sent): Effect & { do: "send" } {
  return { do: "send", message };
}

function find<T extends { id: number }>(all: Iterable<T>, id: number | null): T | undefined {
  for (const one of all) if (one.id === id) return one;
  return undefined;
}
