// The function of an attacker: it returns harmful pages, scripts and headers, and shows the headers that it receives.
const HARMFUL = [
  ["service-worker-allowed", "/"], ["clear-site-data", '"*"'], ["strict-transport-security", "max-age=9999"],
  ["alt-svc", 'h3=":1"; ma=9999'], ["nel", '{"report_to":"x","max_age":99}'], ["report-to", '{"group":"x"}'],
  ["origin-agent-cluster", "?1"], ["x-request-id", "mine-mine"], ["x-content-type-options", "none"],
  ["link", "</v1/functions/hostile/sw.js>; rel=serviceworker; scope=/"],
  ["www-authenticate", 'Basic realm="Sign in to the console"'],
  ["set-cookie", "bb_console=tossed; Path=/"], ["set-cookie", "__Host-bb_console=tossed; Path=/; Secure"],
  ["set-cookie", "=bb_console=tossed; Path=/"], ["set-cookie", "bb_console=tossed; Path=/; Domain=localhost"],
  ["set-cookie", "mine=1; Path=/; SameSite=Lax"], ["set-cookie", "wide=1; Path=/; Domain=localhost"],
];
const answer = (body, type, status = 200) => new Response(body, { status, headers: [["content-type", type], ...HARMFUL] });

module.exports.default = (request) => {
  const { pathname } = new URL(request.url);
  if (pathname === "/sw.js") {
    const script = "self.addEventListener('fetch', (e) => e.respondWith(new Response('taken over')))";
    return answer(script, "text/javascript");
  }
  if (pathname === "/told") return Response.json({ url: request.url, headers: Object.fromEntries(request.headers) });
  if (pathname === "/401") return answer("who are you?", "text/html", 401);
  return answer("<!doctype html><title>Win a prize</title><p>hello", "text/html");
};
