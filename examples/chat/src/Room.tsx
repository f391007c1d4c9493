import { useChannel, useLive } from "bunbase-js/react";
import { useEffect, useState } from "react";

import { Ask } from "./Ask.tsx";
import { live, members, messages } from "./client.ts";
import { People } from "./People.tsx";
import { Search } from "./Search.tsx";
import { useMessages } from "./useMessages.ts";

type Here = { name: string; typing: boolean };

export function Room({ room, me }: { room: string; me: string }) {
  const { items: people, loading } = useLive(members, { where: { room } });
  const mine = people.find(({ uid }) => uid === me);
  const [typing, setTyping] = useState(false);
  const here = useChannel<Here>(mine ? live.channel(`rooms/${room}`) : null, mine && { presence: { name: mine.name, typing } });
  const { items, older, problem, loadOlder } = useMessages(room);
  const newest = items.find(({ author }) => author !== me)?._created;

  useEffect(() => {
    if (mine && newest && newest > (mine.read ?? "")) void members.patch(mine._id, { read: newest });
  }, [mine, newest]);

  if (loading) return <p>One moment …</p>;
  if (!mine) return <p>You are not in this room.</p>;
  const send = (text: string) => void messages.create({ room, author: me, name: mine.name, text });
  const typists = here.members.filter(({ uid, data }) => uid !== me && data.typing).map(({ data }) => data.name);
  const mayDelete = (author: string) => author === me || mine.role !== "member";
  return (
    <>
      <Search room={room} />
      {problem && <p>{problem.message}</p>}
      <ol className="messages" aria-label="Messages" tabIndex={0}>
        {[...items, ...older].map(({ _id, author, name, text }) => (
          <li key={_id} data-id={_id}>
            <b>{name}</b> {text} {mayDelete(author) && <button type="button" onClick={() => void messages.delete(_id)}>Delete</button>}
          </li>
        ))}
      </ol>
      {loadOlder && <button type="button" onClick={loadOlder}>Older messages</button>}
      <p className="typing">{typists.length > 0 && `${typists.join(", ")} is typing …`}</p>
      <Ask label="Message" onAnswer={send} onType={(text) => setTyping(text !== "")} />
      <People room={room} me={mine} people={people} here={new Set(here.members.map(({ uid }) => uid))} />
    </>
  );
}
