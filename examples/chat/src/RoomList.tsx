import { useLive } from "bunbase-js/react";

import { Ask } from "./Ask.tsx";
import { changeRoom, members, messages, rooms } from "./client.ts";
import type { Member } from "./database.ts";

type Open = { open: string; onOpen(room: string): void };

/** The rooms and direct messages of a person, with the number of unread messages. */
export function RoomList({ me, open, onOpen }: Open & { me: string }) {
  const { items: mine } = useLive(members, { where: { uid: me } });
  const { items: named } = useLive(rooms, mine.length > 0 ? { where: { _id: { $in: mine.map(({ room }) => room) } } } : null);
  const name = (room: string) => named.find(({ _id }) => _id === room)?.name ?? "";
  const make = async (change: { act: string; [field: string]: string }) => onOpen((await changeRoom(change))._id);
  return (
    <>
      <ul aria-label="Rooms">
        {mine.map((member) => (
          <Item key={member._id} member={member} name={name(member.room)} open={open} onOpen={onOpen} />
        ))}
      </ul>
      <Ask label="New room" onAnswer={(name) => make({ act: "create", name })} />
      <Ask label="Write to (email)" onAnswer={(email) => make({ act: "direct", email })} />
    </>
  );
}

function Item({ member, name, open, onOpen }: Open & { member: Member; name: string }) {
  const { room, uid, read = "" } = member;
  const unread = useLive(messages, {
    where: { room, _created: { $gt: read }, author: { $ne: uid } },
    sort: ["-_created"], // the order of the index; in the order of `_id`, the query would read all messages
    limit: 1,
    count: true,
  });
  return (
    <li>
      <button type="button" aria-current={open === room} onClick={() => onOpen(room)}>
        {name} {!!unread.count && <b className="unread">{unread.count}</b>}
      </button>
    </li>
  );
}
