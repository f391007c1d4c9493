interface Context {
  env: Record<string, string | undefined>;
}

export default (req: Request, ctx: Context): Response => {
  const name = new URL(req.url).searchParams.get("name") ?? "world";
  console.log(`greeting ${name}`); // read it with: bunbase logs <name>
  const greeting = ctx.env.GREETING ?? "Hello"; // change it with: bunbase env set GREETING=Hi
  return new Response(`${greeting}, ${name}!\n`);
};
