"""HAProxy and nginx before a Sluice, with the configurations that ship in systemd/examples."""

import os

from .certs import Authority
from .net import can_listen, free_port, wait_until
from .process import BedError, Group
from .sluice import REPO

NGINX = """\
user root;
worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr info;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/sluice.conf;
}}
"""


def shipped(name, changes):
    """The text of a configuration that ships, with the CHANGES that an operator makes."""
    with open(f"{REPO}/systemd/examples/{name}", encoding="utf-8") as file:
        text = file.read()
    for old, new in changes.items():
        assert old in text, f"systemd/examples/{name} has no {old!r}"
        text = text.replace(old, new)
    return text


class Balancer(Group):
    """One that leads from TLS on a port of its own to the Sluice on port SERVER.

    Attributes: url, and ca, the file with the authority of its certificate.
    """

    PACKAGE = None

    def __init__(self, server):
        """Nothing is started yet."""
        super().__init__()
        self.server = server
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.ca = None

    def _start(self):
        """Starts it and waits until it listens."""
        self.make_directory()
        authority = Authority(self.directory)
        self.ca = authority.cert
        pair = authority.issue("server", "/CN=sluice", ("IP:127.0.0.1", "DNS:localhost"))
        argv = self.command(pair)
        if not os.access(argv[0], os.X_OK):
            raise BedError(f"{argv[0]} is absent: apt-get install -y {self.PACKAGE}")
        process = self.add(self.PACKAGE, argv)

        def listens():
            process.check()
            return not can_listen(self.port)

        wait_until(listens, 10, f"{self.PACKAGE} listens")

    def write(self, name, text):
        """Writes a file of its own; the path."""
        path = f"{self.directory}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


class ShippedHAProxy(Balancer):
    """HAProxy with systemd/examples/haproxy.cfg."""

    PACKAGE = "haproxy"

    def command(self, pair):
        """How it is started with this certificate."""
        whole = ""
        for path in pair:
            with open(path, encoding="utf-8") as file:
                whole += file.read()
        changes = {
            "bind :443": f"bind 127.0.0.1:{self.port}",
            "/etc/haproxy/sluice.pem": self.write("sluice.pem", whole),
            "server one 127.0.0.1:8085": f"server one 127.0.0.1:{self.server}",
        }
        path = self.write("haproxy.cfg", shipped("haproxy.cfg", changes))
        return ["/usr/sbin/haproxy", "-db", "-f", path]


class ShippedNginx(Balancer):
    """nginx with systemd/examples/nginx.conf."""

    PACKAGE = "nginx"

    def command(self, pair):
        """How it is started with this certificate."""
        changes = {
            "listen 443 ssl": f"listen 127.0.0.1:{self.port} ssl",
            "/etc/nginx/sluice.crt": pair.cert,
            "/etc/nginx/sluice.key": pair.key,
            "server 127.0.0.1:8085": f"server 127.0.0.1:{self.server}",
            "/var/log/nginx/": f"{self.directory}/",
        }
        self.write("sluice.conf", shipped("nginx.conf", changes))
        path = self.write("nginx.conf", NGINX.format(directory=self.directory))
        return ["/usr/sbin/nginx", "-e", "stderr", "-g", "daemon off;", "-c", path]
