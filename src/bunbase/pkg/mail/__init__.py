"""Mail: letters of all rooms, an outbox with retries, SMTP, and the mailbox of dev mode.

The life of a mail:

    1. A room fills a template (`templates.py`, `composing.py`) and calls `MailOutbox.post` in the transaction of the
       act that the mail is about. If the address has had too many mails within the hour, the mail is dropped.
    2. Every few seconds a job claims the mails that are due, with SKIP LOCKED, so that several processes share the
       work. A claim moves `due_at` to a time after the deadline of one attempt, and counts the attempt.
    3. The mail is sent by SMTP (`smtp.py`). Afterwards its subject and bodies are wiped, because they hold links and
       codes that are secrets. The row stays for a day, because the limits count it.
    4. If the server refuses the mail permanently, or the mail is too old to be useful, it becomes a dead letter: the
       row keeps the reason, but not the bodies.

A mail is sent at least once. If a process crashes after the server has accepted the mail, but before the process has
stored this, the mail is sent again after its claim has ended. Both copies have the same Message-ID, so that mailboxes
can drop one.

A store of a room posts a letter that the service has composed:

    fields = {"app": "BunBase", "email": email, "url": url, "valid_for": in_words(3600)}
    letter = compose(PASSWORD_RESET, email, fields)

    async with self.db.transaction():
        await self.db.execute(ADD_RESET, …)
        await self.mails.post(letter)
"""
