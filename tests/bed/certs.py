"""A certificate authority for tests, made with openssl."""

import os
import subprocess
from typing import NamedTuple

from .process import BedError

_CONFIG = "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\n"
# `openssl req` makes none that is over; `openssl ca` wants to keep books.
_BOOKS = """[ca]
default_ca = books
[books]
database = {directory}/{name}.books
new_certs_dir = {directory}
rand_serial = yes
default_md = sha256
policy = any
[any]
commonName = supplied
[names]
subjectAltName = {sans}
"""


class Pair(NamedTuple):
    """The paths of a certificate and of its private key."""

    cert: str
    key: str


def _openssl(*args):
    """Runs openssl with ARGS; BedError with its words when it fails."""
    try:
        done = subprocess.run(("openssl", *args), capture_output=True, text=True, timeout=60)
    except FileNotFoundError as error:
        raise BedError("openssl is absent: apt-get install -y openssl") from error
    if done.returncode != 0:
        raise BedError(f"openssl {' '.join(args)}: exit {done.returncode}: {done.stderr}")


def make_key(path):
    """Writes a private key (EC P-256) to PATH, readable by its owner only."""
    _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    os.chmod(path, 0o600)
    return path


def public_key(key, path):
    """Writes the public half of the private KEY to PATH."""
    _openssl("pkey", "-in", key, "-pubout", "-out", path)
    return path


class Authority:
    """A certificate authority whose files lie in one directory."""

    def __init__(self, directory, name="ca"):
        """Makes the key and the self-signed certificate NAME.crt in DIRECTORY."""
        self.directory = str(directory)
        self._config = os.path.join(self.directory, f"{name}.cnf")
        with open(self._config, "w", encoding="utf-8") as config:
            config.write(_CONFIG)
        extensions = ("basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign")
        self.cert, self.key = self._request(name, f"/CN=sluice-testbed-{name}", extensions, ())

    def _request(self, name, subject, extensions, issuer):
        """Writes NAME.key and NAME.crt for SUBJECT with the X.509 EXTENSIONS."""
        cert = os.path.join(self.directory, f"{name}.crt")
        key = make_key(os.path.join(self.directory, f"{name}.key"))
        added = [part for extension in extensions for part in ("-addext", extension)]
        names = ("-config", self._config, "-key", key, "-subj", subject, "-out", cert)
        _openssl("req", "-x509", "-new", "-sha256", "-days", "7", *names, *issuer, *added)
        return Pair(cert, key)

    def issue(self, name, subject, sans=(), usage="serverAuth"):
        """A certificate for SUBJECT (as "/O=group/CN=user") with the SANS ("IP:127.0.0.1")."""
        extensions = [
            "basicConstraints=critical,CA:FALSE",
            "keyUsage=critical,digitalSignature",
            f"extendedKeyUsage={usage}",
        ]
        if sans:
            extensions.append(f"subjectAltName={','.join(sans)}")
        issuer = ("-CA", self.cert, "-CAkey", self.key)
        return self._request(name, subject, extensions, issuer)

    def issue_expired(self, name, subject, sans):
        """The same of a server's certificate that was over at the end of 2020-01-02."""
        key = make_key(os.path.join(self.directory, f"{name}.key"))
        request, cert, books, config = (
            os.path.join(self.directory, f"{name}.{end}") for end in ("csr", "crt", "books", "cnf")
        )
        with open(books, "w", encoding="utf-8"):
            pass
        with open(config, "w", encoding="utf-8") as text:
            text.write(_BOOKS.format(directory=self.directory, name=name, sans=",".join(sans)))
        asked = ("-config", self._config, "-key", key, "-subj", subject, "-out", request)
        _openssl("req", "-new", *asked)
        dates = ("-startdate", "20200101000000Z", "-enddate", "20200102235959Z")
        issuer = ("-cert", self.cert, "-keyfile", self.key)
        made = ("-batch", "-notext", "-extensions", "names", "-in", request, "-out", cert)
        _openssl("ca", "-config", config, *issuer, *dates, *made)
        return Pair(cert, key)
