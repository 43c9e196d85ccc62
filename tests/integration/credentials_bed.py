"""What the tests of credentials stand on: an API server's front that checks them, and a plugin."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import socket
import ssl
import stat
import sys
import tempfile
import threading
import time

from tests.bed.certs import Authority
from tests.bed.kubesim import KubeSim
from tests.bed.net import wait_until
from tests.bed.sluice import Sluice

QUICK = {
    "watch": {"backoff": {"base": "100ms", "max": "400ms"}, "kinds": "[deployment, pod]"},
}
UNAUTHORIZED = json.dumps(
    {"kind": "Status", "status": "Failure", "code": 401, "reason": "Unauthorized", "message": "no"}
).encode()


def pump(source, sink):
    """Carries bytes one way until an end."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def pump_until_gone(source, sink):
    """The same, also until the SINK sends anything, which is its end: all by one thread.

    A second one that read the sink would be within OpenSSL when its descriptor is closed, and
    would then read, and answer, on the connection that is given the number next.
    """
    with contextlib.suppress(OSError):
        ends = select.poll()
        ends.register(source, select.POLLIN)
        ends.register(sink, select.POLLIN)
        while sink.fileno() not in {fd for fd, _ in ends.poll()}:
            if not (data := source.recv(65536)):
                break
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


def both_ways(one, other):
    """Carries bytes both ways until an end; afterwards nobody uses either."""
    back = threading.Thread(target=pump, args=(one, other), daemon=True)
    back.start()
    pump(other, one)
    # Closed earlier, its descriptor might be another's by the time the thread reads it.
    back.join()


def read_head(conn):
    """A request up to its empty line, as lines; None at an end."""
    head = b""
    while b"\r\n\r\n" not in head:
        data = conn.recv(4096)
        if not data:
            return None
        head += data
    return head.decode().split("\r\n")


class Server:
    """A loopback listener whose connections each get a thread."""

    def __init__(self):
        """Listens at once."""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        """Until the listener is closed."""
        with contextlib.suppress(OSError):
            while True:
                conn, _ = self.listener.accept()
                threading.Thread(target=self._guarded, args=(conn,), daemon=True).start()

    def _guarded(self, conn):
        """One connection, whatever its other end does."""
        with contextlib.suppress(OSError), conn:
            self.serve(conn)

    def serve(self, conn):
        """What a connection gets."""
        raise NotImplementedError

    def close(self):
        """No more connections."""
        self.listener.close()


class Front(Server):
    """TLS before a plain simulator: one request a connection, credentials checked, all noted.

    .tokens: those that are valid; .names: common names of client certificates that are (empty:
    none is asked for). .requests: what came, oldest first.
    """

    def __init__(self, sim, authority, sans, name="front"):
        """Certificates are made by AUTHORITY for SANS."""
        self.sim = sim
        self.tokens = set()
        self.names = set()
        self.requests = []
        self.prefix = ""
        self.authority = authority
        self.show(authority.issue(name, f"/CN={name}", sans))
        super().__init__()

    def show(self, pair):
        """From now on shows the certificate of PAIR to whoever connects."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.cert, pair.key)
        context.load_verify_locations(self.authority.cert)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.sni_callback = self._sni
        self.context = context

    @staticmethod
    def _sni(conn, name, _):
        """Keeps the name a client asked for."""
        conn.sni = name

    def serve(self, conn):
        """One request, its answer, the end."""
        with self.context.wrap_socket(conn, server_side=True) as tls:
            lines = read_head(tls)
            if lines is None:
                return
            names = [
                v for ((k, v),) in (tls.getpeercert() or {}).get("subject", ()) if k == "commonName"
            ]
            heads = [line.split(": ", 1) for line in lines[1:] if ": " in line]
            note = {
                "path": lines[0].split(" ")[1],
                "sni": getattr(tls, "sni", None),
                "name": names[0] if names else None,
                "heads": heads,
                "token": next((v[7:] for k, v in heads if k == "Authorization"), None),
                "open": True,
            }
            good = note["token"] in self.tokens or note["name"] in self.names
            note["status"] = 200 if good else 401
            self.requests.append(note)
            try:
                if good:
                    self._forward(tls, lines[0], note)
                else:
                    head = f"HTTP/1.1 401 No\r\nContent-Length: {len(UNAUTHORIZED)}\r\n"
                    kind = "Content-Type: application/json\r\nConnection: close\r\n\r\n"
                    tls.sendall((head + kind).encode() + UNAUTHORIZED)
            finally:
                note["open"] = False

    def _forward(self, tls, line, note):
        """Asks the simulator the same with its own token."""
        method, path, version = line.split(" ")
        assert path.startswith(self.prefix), path
        with socket.create_connection(("127.0.0.1", self.sim.port)) as up:
            note["up"] = up
            text = f"{method} {path[len(self.prefix) :]} {version}\r\nHost: sim\r\n"
            text += f"Authorization: Bearer {self.sim.token}\r\nConnection: close\r\n\r\n"
            up.sendall(text.encode())
            # The client must not use the connection again.
            answer = b""
            while b"\r\n\r\n" not in answer and (data := up.recv(4096)):
                answer += data
            head, _, rest = answer.partition(b"\r\n\r\n")
            tls.sendall(head + b"\r\nConnection: close\r\n\r\n" + rest)
            pump_until_gone(up, tls)

    def asked(self, word, after=0):
        """The requests from the AFTERth on whose path holds WORD."""
        return [r for r in self.requests[after:] if word in r["path"]]

    def drop(self, word):
        """Ends the watches on whose path WORD stands, cleanly as far as TLS goes."""
        for request in self.open_watches():
            if word in request["path"]:
                request["up"].shutdown(socket.SHUT_RDWR)

    def open_watches(self):
        """Watches that are open and were let in."""
        return [
            r for r in self.requests if r["open"] and r["status"] == 200 and "watch=" in r["path"]
        ]


class Tunnel(Server):
    """An HTTP proxy for CONNECT that leads every name to one port; .asked: the names."""

    def __init__(self, port):
        """PORT: where all of it goes."""
        self.to = port
        self.asked = []
        super().__init__()

    def serve(self, conn):
        """One tunnel."""
        lines = read_head(conn)
        if lines is None:
            return
        self.asked.append(lines[0].split(" ")[1])
        with socket.create_connection(("127.0.0.1", self.to)) as up:
            conn.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            both_ways(conn, up)


class Socks(Tunnel):
    """The same for SOCKS5 with names."""

    def serve(self, conn):
        """One tunnel (RFC 1928)."""
        methods = conn.recv(2)[1]
        conn.recv(methods)
        conn.sendall(b"\x05\x00")
        version, command, _, kind, length = conn.recv(5)
        assert (version, command, kind) == (5, 1, 3)
        name = conn.recv(length).decode()
        self.asked.append(f"{name}:{int.from_bytes(conn.recv(2), 'big')}")
        conn.sendall(b"\x05\x00\x00\x01" + bytes(6))
        with socket.create_connection(("127.0.0.1", self.to)) as up:
            both_ways(conn, up)


PLUGIN = """#!{python}
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/runs", "a") as runs:
    runs.write(os.environ["KUBERNETES_EXEC_INFO"] + "\\n")
with open(here + "/do") as do:
    exec(do.read())
"""

GIVE = """print(json.dumps({{"kind": "ExecCredential", "apiVersion": {version!r}, "status":
    {{"token": {token!r}, **{more!r}}}}}))
"""


class Bed:
    """A simulator behind a Front, a directory with credentials, and a kubeconfig."""

    def __init__(self, *, sans=("IP:127.0.0.1",), rate=5):
        """Makes all but the kubeconfig."""
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sl-cred-", dir="/tmp"))
        self.authority = Authority(self.directory)
        self.sim = KubeSim(tls=False, frozen=True, rate=rate)
        self.sim.start()
        self.front = Front(self.sim, self.authority, sans)
        self.sluice = None

    def close(self):
        """Ends all of it."""
        if self.sluice is not None:
            self.sluice.close()
        self.front.close()
        self.sim.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def write(self, name, text):
        """Puts a file into the directory, whole at once; its path."""
        path = self.directory / name
        fresh = self.directory / (name + ".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.rename(path)
        return os.fspath(path)

    def kubeconfig(self, user, *, host="127.0.0.1", **cluster):
        """Writes the kubeconfig; its path."""
        server = f"https://{host}:{self.front.port}{self.front.prefix}"
        where = {"server": server, "certificate-authority": self.authority.cert, **cluster}
        text = {
            "current-context": "only",
            "contexts": [{"name": "only", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": where}],
            "users": [{"name": "u", "user": user}],
        }
        return self.write("config", json.dumps(text))

    def start(self, kubeconfig, env=None, ready=True):
        """Starts the service on it; with READY, when both kinds are watched."""
        self.sluice = Sluice(QUICK, kubeconfig=kubeconfig)
        self.sluice.env.update(env or {})
        self.sluice.start(ready=ready)
        if ready:
            self.sim.wait_watches(2)
            # A watch that ends within a second, having brought nothing, is followed by a list.
            time.sleep(1.1)
        return self.sluice

    def plugin(self, do=None, version="client.authentication.k8s.io/v1", **more):
        """Makes the plugin, which does DO; the user that names it."""
        path = self.directory / "plugin"
        path.write_text(PLUGIN.format(python=sys.executable), encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        if do is not None:
            self.write("do", do)
        section = {"apiVersion": version, "command": "./plugin", "interactiveMode": "Never"}
        return {"exec": {**section, **more}}

    @staticmethod
    def give(token, version="client.authentication.k8s.io/v1", **more):
        """What a plugin does that gives TOKEN."""
        return GIVE.format(token=token, version=version, more=more)

    def runs(self):
        """What the plugin was told, run by run."""
        path = self.directory / "runs"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def wait_health(self, status, timeout=30):
        """Waits until health says STATUS of the cluster."""
        with self.sluice.stream("cluster:only", last_event_id="-1") as stream:
            stream.read_until(
                lambda s: any(e["data"].get("status") == status for e in s.events()),
                timeout,
                f"the cluster is {status}",
            )

    def wait_words(self, *words, timeout=20):
        """Waits until the watcher's status has all WORDS; the text."""

        def told():
            """The text, once it is so."""
            text = self.sluice.status()["watcher/only"]["status"]
            return text if all(word in text for word in words) else None

        return wait_until(told, timeout, f"{words} in the status", ignore=(KeyError,))

    def log(self):
        """All that the service logged."""
        return pathlib.Path(self.sluice.process.log).read_text(encoding="utf-8", errors="replace")
