// Written by `python -m tests.sdk_js.examples` from the comments in src.

import { createAuth } from "../src/auth/index.js";
import { createData } from "../src/data/index.js";
import { createFiles } from "../src/files/index.js";
import { createFunctions } from "../src/functions/index.js";
import { createClient, Problem, type Client, type Transaction } from "../src/index.js";
import { createLive, indexedDBCache, type Live } from "../src/live/index.js";
import { useChannel, useLive, useQuery, useUser } from "../src/react/index.js";
import { type SignedAddress, useFiles, useFileUrl, useUpload } from "../src/react/index.js";
import { createRequestClient, createVerifier, type Verifier } from "../src/server/index.js";
import { createTestClient, createTestServer } from "../src/testing/index.js";

interface Loose {
  [field: string]: any;
}
interface Database {
  [collection: string]: { read: Loose; write: Loose; refs: {} };
}
interface Names {
  client: Client<Database>;
  live: Live<Database>;
  auth: ReturnType<typeof createAuth>;
  tx: Transaction<Database>;
  verifier: Verifier;
  error: Problem;
  request: Request;
  response: Response;
  blob: Blob;
  token: string;
  challenge: string;
  owner: string;
  session: { id: string };
  passkey: { id: string };
  identity: { id: string };
  reload(): Promise<void>;
}

// src/auth/account.ts
export async function example0({ client, auth, error, challenge }: Names) {
  const { uri } = await client.auth.enrol(String(error.body.challenge));
}

// src/auth/account.ts
export async function example1({ client, auth, challenge }: Names) {
  const { user, recoveryCodes } = await client.auth.confirmEnrolment(challenge, "123456");
}

// src/auth/account.ts
export async function example2({ client, auth }: Names) {
  await client.auth.changeEmail("eve@new.example");
}

// src/auth/account.ts
export async function example3({ client, auth, token }: Names) {
  const status = await client.auth.confirmEmail(token);
}

// src/auth/account.ts
export async function example4({ client, auth }: Names) {
  await client.auth.changePhone("+49 170 7654321");
}

// src/auth/account.ts
export async function example5({ client, auth }: Names) {
  await client.auth.confirmPhone("+49 170 7654321", "123456");
}

// src/auth/account.ts
export async function example6({ client, auth }: Names) {
  await client.auth.removePhone();
}

// src/auth/account.ts
export async function example7({ client, auth }: Names) {
  await client.auth.changePassword({ current: "apples and pears", password: "another horse battery" });
}

// src/auth/account.ts
export async function example8({ client, auth, token }: Names) {
  await client.auth.confirmSignUp(token, "apples and pears");
}

// src/auth/account.ts
export async function example9({ client, auth, token }: Names) {
  await client.auth.resetPassword(token, "another horse battery");
}

// src/auth/account.ts
export async function example10({ client, auth }: Names) {
  await client.auth.sendVerification();
}

// src/auth/account.ts
export async function example11({ client, auth, token }: Names) {
  await client.auth.verifyEmail(token);
}

// src/auth/account.ts
export async function example12({ client, auth }: Names) {
  await client.auth.deleteUser();
}

// src/auth/account.ts
export async function example13({ client, auth }: Names) {
  for (const { at, action } of (await client.auth.activity({ limit: 10 })).items) console.log(at, action);
}

// src/auth/auth.ts
export async function example14({ client, auth }: Names) {
  console.log(client.auth.user?.email ?? "nobody is signed in");
}

// src/auth/auth.ts
export async function example15({ client, auth }: Names) {
  console.log(client.auth.claims.rooms ?? "no rooms");
}

// src/auth/auth.ts
export async function example16({ client, auth }: Names) {
  await client.auth.ready;
}

// src/auth/auth.ts
export async function example17({ client, auth }: Names) {
  const stop = client.auth.onChange((user, why) => console.log(user?.email, why));
}

// src/auth/auth.ts
export async function example18({ client, auth }: Names) {
  const token = await client.auth.token();
}

// src/auth/auth.ts
export async function example19({ client, auth }: Names) {
  const user = await client.auth.signUp({ email: "eve@example.com", password: "apples and pears" });
}

// src/auth/auth.ts
export async function example20({ client, auth }: Names) {
  await client.auth.signIn({ email: "eve@example.com", password: "apples and pears" });
}

// src/auth/auth.ts
export async function example21({ client, auth, error, challenge }: Names) {
  if (Problem.is(error, "second_factor_required")) {
    await client.auth.secondFactor(String(error.body.challenge), { code: "123456" });
  }
}

// src/auth/auth.ts
export async function example22({ client, auth }: Names) {
  for (const { name, title } of await client.auth.providers()) console.log(name, title);
}

// src/auth/auth.ts
export async function example23({ client, auth }: Names) {
  await client.auth.signInWith("google", { redirectTo: location.origin + "/signed-in" });
  const { email } = await client.auth.signInWith("google", { popup: true, redirectTo: location.origin + "/signed-in" });
}

// src/auth/auth.ts
export async function example24({ client, auth }: Names) {
  await client.auth.linkWith("github", { redirectTo: location.origin + "/account" });
}

// src/auth/auth.ts
export async function example25({ client, auth }: Names) {
  await client.auth.openSignInPage({ redirectTo: location.origin + "/signed-in" });
}

// src/auth/auth.ts
export async function example26({ client, auth }: Names) {
  const user = await client.auth.finishRedirect();
}

// src/auth/auth.ts
export async function example27({ client, auth }: Names) {
  await client.auth.sendCode({ email: "eve@example.com" });
}

// src/auth/auth.ts
export async function example28({ client, auth }: Names) {
  await client.auth.sendLink("eve@example.com", { redirectTo: location.origin + "/signed-in" });
}

// src/auth/auth.ts
export async function example29({ client, auth }: Names) {
  await client.auth.sendPasswordReset("eve@example.com");
}

// src/auth/auth.ts
export async function example30({ client, auth }: Names) {
  await client.auth.reauthenticate({ password: "apples and pears" });
}

// src/auth/auth.ts
export async function example31({ client, auth }: Names) {
  await client.auth.signOut({ everywhere: true });
}

// src/auth/auth.ts
export async function example32({ client, auth }: Names) {
  await client.auth.update({ data: { theme: "dark" } });
}

// src/auth/auth.ts
export async function example33({ client, auth, reload }: Names) {
  const user = await client.auth.reload();
}

// src/auth/factors.ts
export async function example34({ client, auth }: Names) {
  const { enabled, recovery_codes_left } = await client.auth.totp.state();
}

// src/auth/factors.ts
export async function example35({ client, auth }: Names) {
  const { uri } = await client.auth.totp.begin();
}

// src/auth/factors.ts
export async function example36({ client, auth }: Names) {
  const recoveryCodes = await client.auth.totp.confirm("123456");
}

// src/auth/factors.ts
export async function example37({ client, auth }: Names) {
  await client.auth.totp.remove();
}

// src/auth/factors.ts
export async function example38({ client, auth }: Names) {
  const recoveryCodes = await client.auth.totp.newRecoveryCodes();
}

// src/auth/index.ts
export async function example39({  }: Names) {
  const auth = createAuth("https://api.example.com", "pk_…");
  await auth.signIn({ email: "eve@example.com", password: "apples and pears" });
}

// src/auth/index.ts
export async function example40({  }: Names) {
  const auth = createAuth("https://api.example.com", "pk_…");
}

// src/auth/lists.ts
export async function example41({ client, auth }: Names) {
  for (const { agent, current } of (await client.auth.sessions.list()).items) console.log(agent, current);
}

// src/auth/lists.ts
export async function example42({ client, auth, session }: Names) {
  await client.auth.sessions.end(session.id);
}

// src/auth/lists.ts
export async function example43({ client, auth }: Names) {
  await client.auth.sessions.endOthers();
}

// src/auth/lists.ts
export async function example44({ client, auth, identity }: Names) {
  const providers = (await client.auth.identities.list()).map((identity) => identity.provider);
}

// src/auth/lists.ts
export async function example45({ client, auth, identity }: Names) {
  await client.auth.identities.unlink(identity.id);
}

// src/auth/passkeys.ts
export async function example46({ client, auth }: Names) {
  const passkey = await client.auth.passkeys.register("laptop");
}

// src/auth/passkeys.ts
export async function example47({ client, auth, passkey }: Names) {
  for (const passkey of await client.auth.passkeys.list()) console.log(passkey.name, passkey.last_used_at);
}

// src/auth/passkeys.ts
export async function example48({ client, auth, passkey }: Names) {
  await client.auth.passkeys.rename(passkey.id, "old laptop");
}

// src/auth/passkeys.ts
export async function example49({ client, auth, passkey }: Names) {
  await client.auth.passkeys.remove(passkey.id);
}

// src/data/collection.ts
export async function example50({ client }: Names) {
  const post = await client.data.collection("posts").get("first");
}

// src/data/collection.ts
export async function example51({ client }: Names) {
  const post = (await client.data.collection("posts").find("first")) ?? { title: "new" };
}

// src/data/collection.ts
export async function example52({ client }: Names) {
  const { items, next } = await client.data.collection("posts").query({ where: { likes: { $gt: 10 } }, sort: ["-likes"] });
}

// src/data/collection.ts
export async function example53({ client }: Names) {
  for await (const page of client.data.collection("posts").pages({ limit: 100 })) console.log(page.items.length);
}

// src/data/collection.ts
export async function example54({ client }: Names) {
  for await (const post of client.data.collection("posts").all({ where: { draft: true } })) console.log(post.title);
}

// src/data/collection.ts
export async function example55({ client }: Names) {
  const newest = await client.data.collection("posts").first({ sort: ["-_created"] });
}

// src/data/collection.ts
export async function example56({ client }: Names) {
  const drafts = await client.data.collection("posts").count({ draft: true });
}

// src/data/collection.ts
export async function example57({ client }: Names) {
  const totals = await client.data.collection("orders").aggregate<{ status: string; total: number }>({
    group: ["status"],
    values: { total: { $sum: "price" } },
  });
}

// src/data/collection.ts
export async function example58({ client }: Names) {
  const post = await client.data.collection("posts").create({ title: "Hello" });
}

// src/data/collection.ts
export async function example59({ client }: Names) {
  await client.data.collection("posts").put("first", { title: "Hello" }, { ifAbsent: true });
}

// src/data/collection.ts
export async function example60({ client }: Names) {
  await client.data.collection("posts").patch("first", { $inc: { likes: 1 } });
}

// src/data/collection.ts
export async function example61({ client }: Names) {
  await client.data.collection("posts").update("first", (post) => ({ likes: post.likes + 1 }));
}

// src/data/collection.ts
export async function example62({ client }: Names) {
  await client.data.collection("posts").delete("first");
}

// src/data/data.ts
export async function example63({ client }: Names) {
  const posts = client.data.collection("posts");
}

// src/data/data.ts
export async function example64({ client }: Names) {
  await client.data.commit([
    { op: "patch", collection: "accounts", id: "ada", data: { $inc: { balance: -10 } } },
    { op: "patch", collection: "accounts", id: "eve", data: { $inc: { balance: 10 } } },
  ]);
}

// src/data/data.ts
export async function example65({ client, tx }: Names) {
  await client.data.transaction(async (tx) => {
    const account = await tx.collection("accounts").get("ada");
    if (account.balance < 10) throw new Error("too little");
    tx.collection("accounts").patch("ada", { balance: account.balance - 10 });
  });
}

// src/data/index.ts
export async function example66({  }: Names) {
  const data = createData("https://api.example.com", "pk_…");
  const { items } = await data.collection("posts").query({ limit: 10 });
}

// src/data/index.ts
export async function example67({ auth }: Names) {
  const data = createData<Database>("https://api.example.com", "pk_…", { auth });
}

// src/data/transaction.ts
export async function example68({ tx }: Names) {
  const account = await tx.collection("accounts").get("ada");
}

// src/data/transaction.ts
export async function example69({ tx, owner }: Names) {
  if (!(await tx.collection("names").find("ada"))) tx.collection("names").put("ada", { owner });
}

// src/data/transaction.ts
export async function example70({ tx }: Names) {
  const { items } = await tx.collection("seats").query({ where: { taken: false }, limit: 1 });
}

// src/data/transaction.ts
export async function example71({ tx }: Names) {
  tx.collection("entries").create({ amount: -10 });
}

// src/data/transaction.ts
export async function example72({ tx, owner }: Names) {
  tx.collection("names").put("ada", { owner: "usr_1" });
}

// src/data/transaction.ts
export async function example73({ tx }: Names) {
  tx.collection("accounts").patch("ada", { $inc: { balance: -10 } });
}

// src/data/transaction.ts
export async function example74({ tx }: Names) {
  tx.collection("names").delete("ada");
}

// src/data/transaction.ts
export async function example75({ tx }: Names) {
  const accounts = tx.collection("accounts");
}

// src/files/bucket.ts
export async function example76({ client, blob, owner }: Names) {
  const photo = await client.files.bucket("photos").upload(`${owner}/rye.jpg`, blob, {
    contentType: "image/jpeg",
    onProgress: ({ sent, total }) => console.log(sent, total),
  });
}

// src/files/bucket.ts
export async function example77({ client }: Names) {
  const { info, stream } = await client.files.bucket("photos").download("rye.jpg", { range: { start: 0, end: 1024 } });
  const small = await client.files.bucket("photos").download("rye.jpg", { transform: { width: 400, format: "webp" } });
}

// src/files/bucket.ts
export async function example78({ client }: Names) {
  const { size, metadata } = await client.files.bucket("photos").head("rye.jpg");
}

// src/files/bucket.ts
export async function example79({ client }: Names) {
  const found = await client.files.bucket("photos").find("rye.jpg");
}

// src/files/bucket.ts
export async function example80({ client }: Names) {
  const { items, prefixes, next } = await client.files.bucket("photos").list({ prefix: "2026/", delimiter: "/" });
}

// src/files/bucket.ts
export async function example81({ client }: Names) {
  for await (const { key, size } of client.files.bucket("photos").all({ prefix: "2026/" })) console.log(key, size);
}

// src/files/bucket.ts
export async function example82({ client }: Names) {
  await client.files.bucket("photos").remove("rye.jpg");
}

// src/files/bucket.ts
export async function example83({ client }: Names) {
  const refused = (await client.files.bucket("photos").removeMany(["a.jpg", "b.jpg"])).filter(({ deleted }) => !deleted);
}

// src/files/bucket.ts
export async function example84({ client }: Names) {
  await client.files.bucket("photos").copy("rye.jpg", "covers/rye.jpg", { overwrite: false });
}

// src/files/bucket.ts
export async function example85({ client }: Names) {
  await client.files.bucket("photos").move("rye.jpg", "2026/rye.jpg", { bucket: "archive" });
}

// src/files/bucket.ts
export async function example86({ client }: Names) {
  const address = client.files.bucket("covers").url("rye.jpg");
  const small = client.files.bucket("covers").url("rye.jpg", { transform: { width: 400 } });
}

// src/files/download.ts
export async function example87({ client }: Names) {
  const blob = await (await client.files.bucket("photos").download("rye.jpg")).blob();
}

// src/files/download.ts
export async function example88({ client }: Names) {
  const bytes = await (await client.files.bucket("photos").download("rye.jpg")).bytes();
}

// src/files/download.ts
export async function example89({ client }: Names) {
  const text = await (await client.files.bucket("notes").download("readme.md")).text();
}

// src/files/files.ts
export async function example90({ client }: Names) {
  const photos = client.files.bucket("photos");
}

// src/files/index.ts
export async function example91({ blob }: Names) {
  const files = createFiles("https://api.example.com", "pk_…");
  await files.bucket("photos").upload("rye.jpg", blob);
}

// src/files/index.ts
export async function example92({ auth }: Names) {
  const files = createFiles("https://api.example.com", "pk_…", { auth });
}

// src/functions/functions.ts
export async function example93({ client }: Names) {
  const { total } = await client.functions.invoke<{ total: number }>("checkout", { basket: "b1" });
}

// src/functions/functions.ts
export async function example94({ client }: Names) {
  const response = await client.functions.fetch("report", { method: "GET", path: "/2026.pdf" });
}

// src/functions/index.ts
export async function example95({  }: Names) {
  const functions = createFunctions("https://api.example.com", "pk_…");
  await functions.invoke("hello", { name: "Ada" });
}

// src/functions/index.ts
export async function example96({ auth }: Names) {
  const functions = createFunctions("https://api.example.com", "pk_…", { auth });
}

// src/index.ts
export async function example97({ auth }: Names) {
  const client = createClient("https://api.example.com", "pk_…");
  await client.auth.signIn({ email: "eve@example.com", password: "apples and pears" });
  const post = await client.data.collection("posts").create({ title: "Hello" });
}

// src/index.ts
export async function example98({  }: Names) {
  const client = createClient<Database>("https://api.example.com", "pk_…");
}

// src/live/cache.ts
export async function example99({ client }: Names) {
  const live = createLive(client, { cache: indexedDBCache() });
}

// src/live/channel.ts
export async function example100({ live }: Names) {
  const leave = live.channel("rooms/7").join({ message: ({ data }) => console.log(data) }, { presence: { name: "Ada" } });
}

// src/live/channel.ts
export async function example101({ live }: Names) {
  await live.channel("rooms/7").publish({ text: "Hello" });
}

// src/live/channel.ts
export async function example102({ live }: Names) {
  await live.channel("rooms/7").setPresence({ name: "Ada", typing: true });
}

// src/live/collection.ts
export async function example103({ live }: Names) {
  const stop = live.collection("posts").watch({ where: { draft: false }, sort: ["-_created"], limit: 50 }, (result) => {
    console.log(result.items.length, result.added, result.removed);
  });
}

// src/live/collection.ts
export async function example104({ live }: Names) {
  const stop = live.collection("posts").watchOne("first", ({ document }) => console.log(document?.title));
}

// src/live/collection.ts
export async function example105({ live }: Names) {
  const post = await live.collection("posts").create({ title: "Hello" });
}

// src/live/collection.ts
export async function example106({ live }: Names) {
  await live.collection("posts").put("first", { title: "Hello" });
}

// src/live/collection.ts
export async function example107({ live }: Names) {
  await live.collection("posts").patch("first", { $inc: { likes: 1 } });
}

// src/live/collection.ts
export async function example108({ live }: Names) {
  await live.collection("posts").delete("first");
}

// src/live/index.ts
export async function example109({ client }: Names) {
  const live = createLive(client);
  const stop = live.collection("posts").watch({ sort: ["-_created"], limit: 50 }, ({ items }) => console.log(items.length));
}

// src/live/index.ts
export async function example110({ client }: Names) {
  const live = createLive(client);
}

// src/live/live.ts
export async function example111({ live }: Names) {
  const posts = live.collection("posts");
}

// src/live/live.ts
export async function example112({ live }: Names) {
  const room = live.channel("rooms/7");
}

// src/live/live.ts
export async function example113({ live }: Names) {
  console.log(live.state === "offline" ? "You are offline." : "");
}

// src/live/live.ts
export async function example114({ live }: Names) {
  if (live.problem) console.log(`You cannot connect: ${live.problem.message}`);
}

// src/live/live.ts
export async function example115({ live }: Names) {
  const stop = live.onState((state, problem) => console.log(state, problem?.code ?? ""));
}

// src/live/live.ts
export async function example116({ live }: Names) {
  if (live.waiting) console.log("Saving …");
}

// src/live/live.ts
export async function example117({ live }: Names) {
  if (live.stuck) console.log(`Not saved yet: ${live.stuck.problem.message}`);
}

// src/live/live.ts
export async function example118({ live }: Names) {
  const stop = live.onStuck((stuck) => console.log(stuck ? `Not saved yet: ${stuck.problem.message}` : "Saved."));
}

// src/live/live.ts
export async function example119({ live }: Names) {
  live.close();
}

// src/problem.ts
export async function example120({ client, error }: Names) {
  try {
    await client.data.collection("posts").get("first");
  } catch (error) {
    if (Problem.is(error, "document_not_found")) console.log("There is no such post.");
    else throw error;
  }
}

// src/problem.ts
export async function example121({ error, reload }: Names) {
  if (Problem.is(error, "stale_revision", "document_exists")) await reload();
}

// src/react/files.ts
export async function example122({ client }: Names) {
  const { upload, progress, problem, retry, abort } = useUpload(client.files.bucket("photos"));
}

// src/react/files.ts
export async function example123({ client }: Names) {
  const { items, hasMore, more } = useFiles(client.files.bucket("photos"), { prefix: "2026/", limit: 50 });
}

// src/react/files.ts
export async function example124({ client }: Names) {
  const { url } = useFileUrl(client.files.bucket("photos"), "rye.jpg");
  const film = useFileUrl(client.files.bucket("films"), "oven.mp4", {
    sign: (key) => client.functions.invoke<SignedAddress>("link", { key }),
  });
}

// src/react/index.ts
export async function example125({ client }: Names) {
  const { page, problem, loading } = useQuery(client.data.collection("posts"), { where: { draft: false }, limit: 10 });
}

// src/react/index.ts
export async function example126({ live }: Names) {
  const { items, loading, state } = useLive(live.collection("posts"), { where: { draft: false }, limit: 10 });
}

// src/react/index.ts
export async function example127({ live }: Names) {
  const { members } = useChannel<{ name: string }>(live.channel("rooms/7"), { presence: { name: "Ada" } });
}

// src/server/cookies.ts
export async function example128({ request, response }: Names) {
  const client = createRequestClient<Database>("https://api.example.com", "pk_…", {
    cookie: request.headers.get("Cookie"),
    origin: "https://app.example.com",
    onSetCookie: (header) => response.headers.append("Set-Cookie", header),
  });
  const user = await client.user();
}

// src/server/verify.ts
export async function example129({ verifier, token }: Names) {
  const { sub, role } = await verifier.verify(token);
}

// src/server/verify.ts
export async function example130({ request }: Names) {
  const verifier = createVerifier("https://api.example.com", "prj_…");
  const claims = await verifier.verify(request.headers.get("Authorization")?.slice(7) ?? "");
}

// src/testing/index.ts
export async function example131({  }: Names) {
  const { client, server } = createTestClient({ functions: { hello: () => ({ hello: "world" }) } });
  await client.data.collection("posts").create({ title: "Hello" });
  console.log(server.documents("posts").length); // 1
}

// src/testing/index.ts
export async function example132({  }: Names) {
  const { client, server } = createTestClient<Database>();
}

// src/testing/index.ts
export async function example133({  }: Names) {
  const server = createTestServer({ hello: () => "world" });
  const eve = createClient("http://bunbase.test", "pk_test", { storage: null, fetch: server.fetch });
}
