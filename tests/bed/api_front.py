"""A small proxy before a real API server that spoils answers as it is told to.

    with ApiFront(cluster) as front:
        front.spoil("GET /api/v1/pods?watch", line=lambda line: [b"no JSON\n", line])

It speaks TLS and HTTP/1.1, one request a connection, and passes the client's credentials on: who
may do what stays the real server's matter. It tells lists and watches apart by `watch=`.
"""

import contextlib
import dataclasses
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Callable

from .net import deadline

_NOT_PASSED_ON = {"host", "connection", "accept-encoding", "content-length", "upgrade"}


@dataclasses.dataclass
class Rule:
    """What happens to the next COUNT requests (0: until cleared) that hold MATCH.

    An ANSWER (status, headers, body) stands for the server's. LINE makes lines (each with its
    newline) of a line of a watch, BODY another body of a whole answer's.
    """

    match: str
    answer: tuple[int, dict[str, str], bytes] | None = None
    line: Callable[[bytes], list[bytes]] | None = None
    body: Callable[[bytes], bytes] | None = None
    count: int = 0


class ApiFront:
    """One such proxy: .port, .url, .requests (each: line, token, status), oldest first."""

    def __init__(self, cluster, name="front"):
        """CLUSTER: a RealCluster; its authority issues a certificate NAME for 127.0.0.1."""
        self.cluster = cluster
        self.requests = []
        self._rules = []
        self._open = set()
        self._lock = threading.Lock()
        self.good = cluster.authority.issue(name, f"/CN={name}", ("IP:127.0.0.1",))
        self.show(self.good)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        """Itself."""
        return self

    def __exit__(self, *_):
        """Ends it."""
        self.close()

    def close(self):
        """No more connections, and none of those there are."""
        # Without it accept() would keep the port until somebody connects.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def show(self, pair):
        """From now on shows the certificate of PAIR."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        self._context = context

    def spoil(self, match, **members):
        """Adds a Rule."""
        with self._lock:
            self._rules.append(Rule(match, **members))

    def clear(self):
        """Takes back every rule; what is open goes on as it began."""
        with self._lock:
            self._rules.clear()

    def drop(self, word="watch="):
        """Ends the watches whose target holds WORD, cleanly for the client."""
        with self._lock:
            found = [sock for line, sock in self._open if word in line]
        for sock in found:
            # Not the SSLSocket's own, after which what is left would be read undecrypted.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def asked(self, *words):
        """The requests whose line holds all of the WORDS."""
        return [r for r in list(self.requests) if all(word in r["line"] for word in words)]

    def _accept(self):
        """Until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        """One connection, whatever its other end does."""
        conn.settimeout(deadline(120))
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            conn,
            self._context.wrap_socket(conn, server_side=True) as tls,
        ):
            self._exchange(tls)

    def _rule_for(self, line):
        """The rule of a request, counted; None when there is none."""
        with self._lock:
            for rule in self._rules:
                if rule.match not in line:
                    continue
                if rule.count == 1:
                    self._rules.remove(rule)
                rule.count = max(rule.count - 1, 0)
                return rule
        return None

    def _exchange(self, tls):
        """One request and its answer."""
        stream = tls.makefile("rb")
        line = stream.readline().decode().rpartition(" ")[0]
        headers = http.client.parse_headers(stream)
        if not line:
            return
        body = stream.read(int(headers.get("Content-Length", 0))) or None
        note = {"line": line, "token": headers.get("Authorization", "")[7:], "status": 0}
        self.requests.append(note)
        rule = self._rule_for(line) or Rule("")
        if rule.answer is not None:
            note["status"] = rule.answer[0]
            _send(tls, *rule.answer)
            return
        method, target = line.split(" ", 1)
        passed = {k: v for k, v in headers.items() if k.lower() not in _NOT_PASSED_ON}
        up = self.cluster._connection(deadline(120))  # noqa: SLF001
        with contextlib.closing(up):
            up.request(method, target, body, passed)
            answer = up.getresponse()
            note["status"] = answer.status
            if "watch=" in target and answer.status == 200:
                self._stream(tls, line, up.sock, answer, rule)
                return
            text = answer.read()
            _send(tls, answer.status, _kept(answer), rule.body(text) if rule.body else text)

    def _stream(self, tls, line, sock, answer, rule):
        """A watch, line by line."""
        with self._lock:
            self._open.add((line, sock))
        try:
            tls.sendall(_head(200, {**_kept(answer), "Transfer-Encoding": "chunked"}))
            with contextlib.suppress(http.client.IncompleteRead, ValueError):
                while text := answer.readline():
                    for part in rule.line(text) if rule.line else [text]:
                        tls.sendall(b"%x\r\n%s\r\n" % (len(part), part))
            tls.sendall(b"0\r\n\r\n")
        finally:
            with self._lock:
                self._open.discard((line, sock))


def _kept(answer):
    """The headers of an answer that are passed on."""
    names = ("Content-Type", "Audit-Id", "Retry-After", "Warning")
    return {name: answer.headers[name] for name in names if name in answer.headers}


def _head(status, headers):
    """The head of an answer."""
    lines = [f"HTTP/1.1 {status} Answer", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode()


def _send(tls, status, headers, body):
    """A whole answer."""
    tls.sendall(_head(status, {**headers, "Content-Length": str(len(body))}) + body)


def edited(change):
    """A Rule's LINE and BODY that CHANGE each object (in place) but bookmarks and errors."""

    def line(text):
        """Of an event."""
        event = json.loads(text)
        if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
            change(event["object"])
        return [json.dumps(event).encode() + b"\n"]

    def body(text):
        """Of a list."""
        page = json.loads(text)
        for item in page.get("items") or []:
            change(item)
        return json.dumps(page).encode()

    return {"line": line, "body": body}
