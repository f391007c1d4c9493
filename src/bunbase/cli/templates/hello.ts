interface Context {
  env: Record<string, string | undefined>;
}

export default async (req: Request, ctx: Context): Promise<Response> => {
  // the name is in a JSON body, as bunbase-js sends it, or in the URL: bunbase invoke hello --path '/?name=Ada'
  const sent = (await req.json().catch(() => null)) as { name?: string } | null;
  const name = sent?.name ?? new URL(req.url).searchParams.get("name") ?? "world";
  console.log(`greeting ${name}`); // read it with: bunbase logs <name>
  const greeting = ctx.env.GREETING ?? "Hello"; // change it with: bunbase env set GREETING=Hi
  return new Response(`${greeting}, ${name}!\n`);
};
