import { Ask } from "./Ask.tsx";
import { changeRoom, invites } from "./client.ts";
import type { Member } from "./database.ts";
import { notify } from "./notice.ts";

type Props = { room: string; me: Member; people: readonly Member[]; here: ReadonlySet<string | null> };

/**
 * The members of the room; a full circle marks members who are online. The owner may change roles; the owner and the
 * moderators may invite people by mail.
 */
export function People({ room, me, people, here }: Props) {
  const change = (act: string, uid: string, more = {}) => void changeRoom({ act, room, uid, ...more }).catch(notify);
  return (
    <div>
      <ul aria-label="People">
        {people.map(({ _id, uid, name, role }) => (
          <li key={_id}>
            {here.has(uid) ? "●" : "○"} {name} ({role})
            {me.role === "owner" && uid !== me.uid && (
              <>
                <button type="button" onClick={() => change("role", uid, { role: role === "member" ? "moderator" : "member" })}>
                  {role === "member" ? "Make moderator" : "Make member"}
                </button>
                <button type="button" onClick={() => change("remove", uid)}>Remove</button>
              </>
            )}
          </li>
        ))}
      </ul>
      {me.role !== "member" && <Ask label="Invite (email)" onAnswer={(email) => void invites.create({ room, email: email.toLowerCase(), by: me.uid })} />}
    </div>
  );
}
