"""Documents as they were before a change, for collections with `Definition.before_images`.

The transaction of the change writes the image. The image has the number of the change in the change log, and is deleted
with the change. If all images of a project together exceed the limit in bytes, the oldest images are deleted. The
changes of these images stay in the log, without an image.
"""

from __future__ import annotations

from typing import Any, Final

import apsw

# A commit deletes at most this many images more than it adds. The deletion takes about 5 ms.
FOLDED_AT_ONCE: Final = 100

CREATE_BEFORE_IMAGES: Final = """
CREATE TABLE before_images (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE before_images_size (bytes INTEGER NOT NULL);
INSERT INTO before_images_size (bytes) VALUES (0);"""

APPEND: Final = "INSERT INTO before_images (seq, body) VALUES (?, ?)"
GROW: Final = "UPDATE before_images_size SET bytes = bytes + ? RETURNING bytes"
OLDEST: Final = "SELECT seq, octet_length(body) FROM before_images ORDER BY seq LIMIT ?"
SIZE_UNTIL: Final = "SELECT coalesce(sum(octet_length(body)), 0) FROM before_images WHERE seq <= ?"
DELETE_UNTIL: Final = "DELETE FROM before_images WHERE seq <= ?"
FORGET: Final = "DELETE FROM before_images; UPDATE before_images_size SET bytes = 0"


class Images:
    """The images of one batch.

    Each image is written immediately, not collected in memory, because a commit may have 500 documents of a megabyte.

    `bytes`: for each image, the size of all images up to this one, so that a savepoint can be rolled back.
    """

    def __init__(self) -> None:
        self.bytes = [0]

    def __len__(self) -> int:
        return len(self.bytes) - 1

    def append(self, connection: apsw.Connection, seq: int, body: bytes) -> None:
        """Write the document with its system fields."""
        connection.execute(APPEND, (seq, body))
        self.bytes.append(self.bytes[-1] + len(body))

    def forget_from(self, number: int) -> None:
        """Forget the images that a savepoint has rolled back."""
        del self.bytes[number + 1 :]


def count(connection: apsw.Connection, images: Images, most_bytes: int) -> None:
    """Add the size of a batch, and delete the oldest images if there are more than `most_bytes` bytes."""
    total: int = connection.execute(GROW, (images.bytes[-1],)).get
    if total <= most_bytes:
        return
    oldest: list[Any] = connection.execute(OLDEST, (len(images) + FOLDED_AT_ONCE,)).fetchall()
    freed, until = 0, 0
    for seq, size in oldest:
        if total - freed <= most_bytes:
            break
        freed, until = freed + size, seq
    _delete(connection, until, freed)


def prune(connection: apsw.Connection, until: int) -> None:
    """Delete the images of the changes up to this number."""
    _delete(connection, until, connection.execute(SIZE_UNTIL, (until,)).get)


def forget(connection: apsw.Connection) -> None:
    for _ in connection.execute(FORGET):
        pass


def _delete(connection: apsw.Connection, until: int, freed: int) -> None:
    if freed:
        connection.execute(DELETE_UNTIL, (until,))
        connection.execute(GROW, (-freed,))
