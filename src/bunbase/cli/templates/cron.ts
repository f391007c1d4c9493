/**
 * Runs on a schedule. Set it in bunbase.toml: `schedule` under [functions.<name>], with five cron fields.
 * The function also answers HTTP requests, so you can run it by hand: bunbase invoke <name> (with the secret key).
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

/** Do your work here. BunBase runs this function again after a failure, so it must be safe to run twice. */
async function work(): Promise<number> {
  return 0;
}
