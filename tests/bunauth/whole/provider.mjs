// A real OpenID Connect provider on loopback. It signs everybody in without a page: the cookie names the account.
//
// Usage: provider.mjs <redirect URIs with commas> [host] [ask] [isolated]. With `ask`, a page with a button for each account
// is shown in place of the cookie. With `isolated`, this page removes its `opener`. It prints its issuer when it
// listens.
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [redirectUris, host = "127.0.0.1", ask, isolated] = process.argv.slice(2);
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://${host}:${server.address().port}`;
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
        redirect_uris: redirectUris.split(","),
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
    if (ask && request.method !== "POST") {
      const buttons = Object.keys(people).map((name) => `<button name="person" value="${name}">${name}</button>`);
      response.setHeader("content-type", "text/html");
      if (isolated) response.setHeader("cross-origin-opener-policy", "same-origin");
      return response.end(`<h1>Sign in at the provider</h1><form method="post">${buttons.join("")}</form>`);
    }
    if (ask) {
      let body = "";
      for await (const part of request) body += part;
      request.headers.cookie = `${request.headers.cookie}; ${body}`;
    }
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
