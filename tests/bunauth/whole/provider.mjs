// A real OpenID Connect provider on loopback. It signs everybody in without asking: the account is the login_hint cookie.
//
// Usage: provider.mjs <redirect URI>. It prints its issuer when it listens.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [redirectUri] = process.argv.slice(2);
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const people = {
    ada: { email: "ada@example.com", email_verified: true, name: "Ada L." },
    bob: { email: "bob@example.com", email_verified: false },
    nobody: {},
  };
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "bunbase",
        client_secret: "a secret: of the client/+",
        redirect_uris: [redirectUri],
        grant_types: ["authorization_code"],
        response_types: ["code"],
      },
    ],
    pkce: { required: () => true },
    features: { devInteractions: { enabled: false } },
    claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    cookies: { keys: ["a key of these tests only"] },
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
  });
  const callback = provider.callback();
  server.on("request", async (request, response) => {
    if (!request.url.startsWith("/interaction/")) return callback(request, response);
    const { prompt, params } = await provider.interactionDetails(request, response);
    const accountId = /(?:^|; )person=(\w+)/.exec(request.headers.cookie ?? "")?.[1] ?? "ada";
    if (accountId === "refuses") {
      const refused = { error: "access_denied", error_description: "<script>no</script>" };
      return provider.interactionFinished(request, response, refused);
    }
    const grant = new provider.Grant({ accountId, clientId: params.client_id });
    grant.addOIDCScope("openid email profile");
    const result = { login: { accountId }, consent: { grantId: await grant.save() } };
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: prompt.name !== "login" });
  });
  console.log(issuer);
});
