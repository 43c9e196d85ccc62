"""A service that answers what the test says, whatever it is asked."""

import http.server
import ssl
import threading
import time

from tests.bed.net import free_port


class Scripted(http.server.ThreadingHTTPServer):
    """Answers with (status, headers, body) in turn, the last for ever; keeps what came.

    ALL in a body is the number of events in the request.
    """

    daemon_threads = True

    def __init__(self, *answers, pair=None):
        """Serves at once; by TLS with a certificate and key."""
        self.answers = list(answers)
        self.requests = []
        super().__init__(("127.0.0.1", free_port()), Handler)
        self.port = self.server_address[1]
        if pair is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(*pair)
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *exc):
        self.shutdown()
        self.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    """Of one connection."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        """Any request."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server = self.server
        server.requests.append((time.monotonic(), self.path, self.headers, body))
        answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
        status, headers, text = answer
        text = text.replace("ALL", str(body.count(b"\n")))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    do_GET = do_POST

    def log_message(self, *_):
        """Nothing."""


TAKEN = (202, {}, '{"accepted":ALL,"duplicates":0}')
BUSY = (503, {"Retry-After": "2"}, '{"error":"draining","code":"draining"}')
