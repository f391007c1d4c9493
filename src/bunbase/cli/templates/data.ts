/**
 * Reacts to a change of a document. It takes the change as JSON by POST, so you can try it by hand:
 *
 *     bunbase invoke <name> --data '{"type": "create", "collection": "posts", "id": "first", "after": {"title": "Hi"}}'
 */

interface Change {
  type: "create" | "update" | "delete";
  collection: string;
  id: string;
  before?: Record<string, unknown> | null;
  after?: Record<string, unknown> | null;
}

export default async (req: Request): Promise<Response> => {
  if (req.method !== "POST") return new Response("Send a change by POST.\n", { status: 405 });
  const change = (await req.json()) as Change;

  // The same change may come more than once: decide by what is there now, do not count on being called once.
  switch (change.type) {
    case "create":
      console.log(`${change.collection}/${change.id} is new`, change.after); // read it with: bunbase logs <name>
      break;
    case "update":
      console.log(`${change.collection}/${change.id} has changed`, change.before, change.after);
      break;
    case "delete":
      console.log(`${change.collection}/${change.id} is gone`);
      break;
    default:
      return new Response("type is create, update or delete.\n", { status: 400 });
  }
  return new Response(null, { status: 204 });
};
