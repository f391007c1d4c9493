/**
 * Makes every call once, with a `fetch` that records the request and returns a fitting answer. Prints `METHOD path`
 * lines.
 */

const [bundles] = process.argv.slice(2);
const load = (name) => import(`${bundles}/${name}.js`);
const { createClient } = await load("index");
const { createVerifier } = await load("server/index");

const sent = new Set();
const answer = {
  ...{ access_token: "a", refresh_token: "r", expires_in: 900, user: { id: "usr_1", email: "eve@example.com" } },
  ...{ items: [{ _id: "d", _rev: 1, n: 1 }], next: null, keys: [], results: [], seq: 1, status: "changed", ticket: "t" },
  ...{ public_key: {}, recovery_codes: [], secret: "s", uri: "u", _id: "d", _rev: 1 },
};
const noting = async (url, { method }) => {
  sent.add(`${method} ${new URL(url).pathname}`);
  return new Response(method === "HEAD" ? null : JSON.stringify(answer), { headers: { "Content-Type": "application/json", "Last-Modified": "Mon, 30 Nov 2026 00:00:00 GMT" } });
};
const credential = { toJSON: () => ({}) };
const options = { parseRequestOptionsFromJSON: () => ({}), parseCreationOptionsFromJSON: () => ({}) };
Object.defineProperty(globalThis, "PublicKeyCredential", { value: options });
const credentials = { get: async () => credential, create: async () => credential };
Object.defineProperty(globalThis, "navigator", { value: { credentials }, configurable: true });

const client = createClient("http://bunbase.test", "pk_1", { storage: null, fetch: noting });
const { auth, data, files, functions } = client;
const posts = data.collection("posts");
const bucket = files.bucket("photos");
const away = { redirectTo: "http://app.test", navigate: (url) => sent.add(`GET ${new URL(url).pathname}`) };
const email = "eve@example.com";
const phone = "+49170";

const calls = [
  ...[{ email, password: "p" }, { email, code: "1" }, { phone, code: "1" }, { link: "l" }, { customToken: "c" }, { passkey: true }, { anonymous: true }].map(
    (how) => () => auth.signIn(how),
  ),
  () => auth.signUp({ email, password: "p" }),
  () => auth.confirmSignUp("t", "p"),
  () => auth.secondFactor("c", { code: "1" }),
  () => auth.secondFactor("c", { recoveryCode: "1" }),
  () => auth.secondFactor("c", { passkey: true }),
  () => auth.enrol("c"),
  () => auth.confirmEnrolment("c", "1"),
  () => auth.providers(),
  () => auth.signInWith("google", away),
  () => auth.linkWith("google", away),
  () => auth.openSignInPage(away),
  () => auth.finishRedirect("http://app.test/?code=c"),
  () => auth.sendCode({ email }),
  () => auth.sendCode({ phone }),
  () => auth.sendLink(email),
  () => auth.sendPasswordReset(email),
  () => auth.resetPassword("t", "p"),
  () => auth.sendVerification(),
  () => auth.verifyEmail("t"),
  () => auth.changeEmail(email),
  () => auth.confirmEmail("t"),
  () => auth.changePhone(phone),
  () => auth.confirmPhone(phone, "1"),
  () => auth.removePhone(),
  () => auth.changePassword({ password: "p" }),
  () => auth.reauthenticate({ password: "p" }),
  () => auth.reauthenticate({ passkey: true }),
  () => auth.update({ name: "Eve" }),
  () => auth.reload(),
  () => auth.activity(),
  () => auth.totp.state(),
  () => auth.totp.begin(),
  () => auth.totp.confirm("1"),
  () => auth.totp.newRecoveryCodes(),
  () => auth.totp.remove(),
  () => auth.passkeys.register("laptop"),
  () => auth.passkeys.list(),
  () => auth.passkeys.rename("p", "x"),
  () => auth.passkeys.remove("p"),
  () => auth.sessions.list(),
  () => auth.sessions.end("s"),
  () => auth.sessions.endOthers(),
  () => auth.identities.list(),
  () => auth.identities.unlink("i"),
  () => posts.get("d"),
  () => posts.find("d"),
  () => posts.query(),
  () => posts.first(),
  () => posts.count(),
  () => posts.aggregate({ values: { n: { $count: true } } }),
  () => posts.create({}),
  () => posts.put("d", {}),
  () => posts.patch("d", {}),
  () => posts.update("d", () => ({ n: 1 })),
  () => posts.delete("d"),
  () => bucket.upload("a", "a"),
  () => bucket.upload("a", "a", { resumable: true }),
  () => bucket.download("a"),
  () => bucket.head("a"),
  () => bucket.find("a"),
  () => bucket.list(),
  () => bucket.copy("a", "b"),
  () => bucket.move("a", "b"),
  () => bucket.remove("a"),
  () => bucket.removeMany(["a"]),
  () => data.commit([]),
  () => data.transaction((tx) => tx.collection("posts").create({})),
  ...["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"].flatMap((method) => [
    () => functions.fetch("hello", { method }),
    () => functions.fetch("hello", { method, path: "/below" }),
  ]),
  () => functions.invoke("hello"),
  () => createVerifier("http://bunbase.test", "prj_1", { fetch: noting }).verify(`eyJraWQiOiJrIn0.${btoa('{"aud":"prj_1","type":"user"}')}.x`).catch(() => {}),
];
for (const call of calls) await call();
const now = Date.now.bind(Date);
Date.now = () => now() + 3_600_000;
await auth.token();
await auth.signOut();
await auth.signIn({ anonymous: true });
await auth.deleteUser();

const named = { client, collection: posts, bucket, verifier: createVerifier("http://bunbase.test", "prj_1") };
const has = (path) => typeof path.split(".").reduce((at, name) => at?.[name], named) === "function";
const { readFileSync } = await import("node:fs");
const { covered } = JSON.parse(readFileSync(new URL("../../../sdk/js/operations.json", import.meta.url)));
console.log(JSON.stringify({ sent: [...sent], missing: Object.values(covered).filter((path) => !has(path)) }));
