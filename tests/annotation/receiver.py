"""A program elsewhere that takes webhooks, on this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook as Signature


class Receiver:
    """Keeps what it gets; `statuses` are what it answers, the last one for good."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hook?a=b"
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses = [200]

    def checked(self, secret: str) -> list[Any]:
        """What came, each found to be signed with the secret."""
        return [Signature(secret).verify(body, headers) for _path, headers, body in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((self.path, dict(self.headers), body))
            status = receiver.statuses.pop(0) if len(receiver.statuses) > 1 else None
            self.send_response(status or receiver.statuses[0])
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(b"Thank you. " * 100)

        def log_message(self, *_given: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_port)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
