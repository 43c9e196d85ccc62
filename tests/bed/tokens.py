"""Keys and signed tokens, made by an independent library (PyJWT)."""

import base64
import hashlib
import hmac
import json
import os
import struct
import time

import jwt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "sluice-test"
ISSUER = "https://issuer.test"
SECRET = b"a shared secret of at least 32 bytes"


def b64url(data):
    """DATA in base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """Signs tokens with a key of each kind; `jwks()` is what the service is told of them."""

    def __init__(self):
        """Makes the keys."""
        self.keys = {
            "HS256": ("hs", SECRET),
            "RS256": ("rs", rsa.generate_private_key(public_exponent=65537, key_size=2048)),
            "ES256": ("es", ec.generate_private_key(ec.SECP256R1())),
        }

    def jwks(self, *algorithms):
        """The key set of these ALGORITHMS (none named: all) as a dict."""
        made = {
            "HS256": lambda key: {"kty": "oct", "k": b64url(key)},
            "RS256": lambda key: json.loads(RSAAlgorithm.to_jwk(key.public_key())),
            "ES256": lambda key: json.loads(ECAlgorithm.to_jwk(key.public_key())),
        }
        rows = []
        for algorithm in algorithms or self.keys:
            kid, key = self.keys[algorithm]
            rows.append({**made[algorithm](key), "kid": kid, "alg": algorithm})
        return {"keys": rows}

    def public_pem(self):
        """The public RSA key as it is published: no secret."""
        key = self.keys["RS256"][1].public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        return key.public_bytes(serialization.Encoding.PEM, form)

    def claims(self, *, lasts=300, **claims):
        """Claims that are good for LASTS seconds; those given as None are left out."""
        base = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + lasts, "sub": "somebody"}
        return {name: value for name, value in {**base, **claims}.items() if value is not None}

    def token(self, algorithm="ES256", *, headers=None, **claims):
        """A signed token; CLAIMS as in claims()."""
        kid, key = self.keys[algorithm]
        head = {"kid": kid, **(headers or {})}
        return jwt.encode(self.claims(**claims), key, algorithm, headers=head)

    def grants(self, subscribe=(), publish=(), *, tenant=None, admin=False, **claims):
        """A token with these grants."""
        sluice = {"subscribe": list(subscribe), "publish": list(publish), "admin": admin}
        if tenant is not None:
            sluice["tenant"] = tenant
        return self.token(sluice=sluice, **claims)

    def write(self, path, *algorithms):
        """Writes the key set to a file of mode 0600, at one stroke."""
        text = json.dumps(self.jwks(*algorithms))
        with open(path + ".new", "w", encoding="utf-8", opener=private) as file:
            file.write(text)
        os.replace(path + ".new", path)


def private(path, flags):
    """For open(): a file that only its owner reads."""
    return os.open(path, flags, 0o600)


def handmade(head, payload, key=SECRET):
    """A token of any bytes as head and payload, with the HMAC-SHA256 of KEY."""
    signed = f"{b64url(head)}.{b64url(payload)}"
    return f"{signed}.{b64url(hmac.new(key, signed.encode(), hashlib.sha256).digest())}"


def aged_ticket(ticket, key, seconds):
    """The TICKET, sealed again with the installation's KEY as issued SECONDS earlier."""
    info, raw = b"sluice ticket 1", base64.urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
    seal = AESGCM(HKDF(hashes.SHA256(), 32, None, info).derive(key))
    plain = seal.decrypt(raw[:12], raw[12:], info)
    version, issued = struct.unpack_from("<BQ", plain)
    plain = struct.pack("<BQ", version, issued - int(seconds * 1000)) + plain[9:]
    # Of the same nonce, by which a ticket is known again.
    return b64url(raw[:12] + seal.encrypt(raw[:12], plain, info))


def bearer(token):
    """The header field that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def conf(path, **more):
    """The configuration for a service that takes the tokens of an Issuer."""
    return {
        "auth": "jwt",
        "jwt": {"jwks_file": path, "issuer": ISSUER, "audience": AUDIENCE, **more},
    }
