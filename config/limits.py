"""How much a request may bring, and how long it may take."""

# Read before a thread of the web server has the request; a visitor who is not logged in may send
# no more, so that nothing of theirs keeps a thread waiting or is written to the disk.
BODY_BEFORE_LOGIN = 64 * 1024
BODY = 1024 * 1024
UPLOAD = 32 * 1024 * 1024
HEAD = 32 * 1024
# Of an answer, kept in memory for a client that does not take it at once.
UNSENT = 512 * 1024

READ_SECONDS = 10.0
UPLOAD_SECONDS = 60.0
SEND_SECONDS = 10.0
WRITE_SECONDS = 30.0
LINGER_SECONDS = 2.0
# After so long at one request each, the threads of a worker are no prospect for another.
STUCK_SECONDS = 0.25
