import type { User } from "bunbase-js/auth";
import { useUser } from "bunbase-js/react";
import { useState } from "react";

import { Account } from "./Account.tsx";
import { Admin } from "./Admin.tsx";
import { client } from "./client.ts";
import { show, useNotice } from "./notice.ts";
import { Room } from "./Room.tsx";
import { RoomList } from "./RoomList.tsx";
import { SignIn } from "./SignIn.tsx";

export function App() {
  const user = useUser(client.auth);
  const notice = useNotice();
  return (
    <>
      {user ? <Chat key={user.id} user={user} /> : <SignIn />}
      {notice && (
        <p role="alert">
          {notice} <button type="button" onClick={() => show("")}>Close</button>
        </p>
      )}
    </>
  );
}

/** The page of one person: a room, or the page of administrators. */
function Chat({ user }: { user: User }) {
  const [open, setOpen] = useState("");
  return (
    <div className="app">
      <Account user={user} />
      <nav>
        <button type="button" onClick={() => setOpen("admin")} hidden={user.role !== "admin"}>Admin page</button>
        <RoomList me={user.id} open={open} onOpen={setOpen} />
      </nav>
      <main>{open === "admin" ? <Admin /> : open ? <Room key={open} room={open} me={user.id} /> : <p>Choose a room.</p>}</main>
    </div>
  );
}
