/**
 * Work to be done by the clock. When is said in bunbase.toml: `schedule` under [functions.<name>], five cron fields.
 * It answers HTTP too, so that you can run it by hand: bunbase invoke <name> (with the secret key).
 */

interface Context {
  invocation: { id: string };
}

export default async (_req: Request, ctx: Context): Promise<Response> => {
  const began = Date.now();
  const done = await work();
  console.log(`${done} things done in ${Date.now() - began} ms`); // read it with: bunbase logs <name>
  return Response.json({ invocation: ctx.invocation.id, done });
};

/** May run again after a failure: make it so that doing it twice does no harm. */
async function work(): Promise<number> {
  return 0;
}
