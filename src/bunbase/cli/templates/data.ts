/**
 * Reacts to a change of a document. It takes the change as JSON by POST, so you can try it by hand:
 *
 *     bunbase invoke <name> --data '{"op": "create", "collection": "posts", "id": "1", "rev": 1, "document": {"title": "Hi"}}'
 */

/** `document`: as it is now, which may be newer than `rev`; absent when it is gone. */
interface Change {
  op: "create" | "update" | "delete";
  collection: string;
  id: string;
  rev: number;
  document?: Record<string, unknown>;
}

export default async (req: Request): Promise<Response> => {
  if (req.method !== "POST") return new Response("Send a change by POST.\n", { status: 405 });
  const change = (await req.json()) as Change;

  // The same change may come more than once: decide by what is there now, do not count on being called once.
  switch (change.op) {
    case "create":
    case "update":
      console.log(`${change.collection}/${change.id}`, change.document); // read it with: bunbase logs <name>
      break;
    case "delete":
      console.log(`${change.collection}/${change.id} is gone`);
      break;
    default:
      return new Response("op is create, update or delete.\n", { status: 400 });
  }
  return new Response(null, { status: 204 });
};
