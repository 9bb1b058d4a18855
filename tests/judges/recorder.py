"""Small servers: one stands before the sandbox and remembers its answers, one takes webhooks, one
pays for those who cannot."""

import http.client
import json
import queue
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 10
BODY_BYTES_MAX = 4 * 1024 * 1024
# What belongs to one connection and is not passed on.
HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@contextmanager
def recorder(sandbox, exchanges):
    """Passes requests on to the sandbox; each answer is appended to `exchanges`."""
    target = urlsplit(sandbox).netloc

    class Handler(_Quiet):
        def _pass_on(self):
            body = self.rfile.read(_length(self.headers))
            upstream = http.client.HTTPConnection(target, timeout=TIMEOUT_SECONDS)
            headers = {n: v for n, v in self.headers.items() if n.lower() not in HOP_HEADERS}
            upstream.request(self.command, self.path, body, headers)
            answer = upstream.getresponse()
            text = answer.read()
            upstream.close()
            path = urlsplit(self.path).path
            exchanges.append((self.command, path, answer.status, answer.headers, text))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in HOP_HEADERS:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = _pass_on

    with _serving(Handler) as address:
        yield address


class Receiver:
    """A webhook receiver that keeps what it was sent."""

    def __init__(self):
        self.inbox = queue.Queue()
        self.bodies = []

    def next(self, kind):
        """The raw body and the signature of the next event of a type; others are passed over."""
        while True:
            body, signature = self.inbox.get(timeout=TIMEOUT_SECONDS)
            if json.loads(body)["type"] == kind:
                return body, signature


@contextmanager
def receiver():
    """Takes webhooks at an address, which is yielded with the receiver."""
    held = Receiver()

    class Handler(_Quiet):
        def do_POST(self):
            body = self.rfile.read(_length(self.headers))
            held.bodies.append(body)
            held.inbox.put((body, self.headers["Stripe-Signature"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with _serving(Handler) as address:
        yield f"{address}/webhook", held


@contextmanager
def buyer(pay):
    """Takes wishes as JSON and has them paid."""

    class Handler(_Quiet):
        def do_POST(self):
            pay(json.loads(self.rfile.read(_length(self.headers))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with _serving(Handler) as address:
        yield address


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


def _length(headers):
    length = int(headers.get("Content-Length") or 0)
    if length > BODY_BYTES_MAX:
        raise ValueError(f"a body of {length} bytes")
    return length


@contextmanager
def _serving(handler):
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
