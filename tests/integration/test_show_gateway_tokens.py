"""No forged, stale or doubtful token opens anything: 100 % of a corpus, by every way there is.

Beside the tokens of test_gateway_access.py: keys of one algorithm used for another, the signatures
that broken verifiers take, claims of the wrong type, and one wrong byte anywhere.
"""

import base64
import hashlib
import hmac
import json
import random
import time

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tests.bed.tokens import AUDIENCE, ISSUER, SECRET, Issuer, b64url, bearer, handmade

from .guarded import ADMIN, Guarded, refusal
from .numbered import events

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture(name="guarded", scope="module")
def _guarded():
    with Guarded() as running:
        yield running


def head(**members):
    """A token's head as bytes."""
    return json.dumps(members).encode()


HS = head(alg="HS256", kid="hs")


def signed_part(head_bytes, payload):
    """What a signature is made over."""
    return f"{b64url(head_bytes)}.{b64url(payload)}".encode()


def with_signature(head_bytes, payload, signature):
    """A token of these parts."""
    return f"{signed_part(head_bytes, payload).decode()}.{b64url(signature)}"


def raw_ecdsa(key, data):
    """(r, s) of a signature."""
    return decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))


def crossed(issuer, good):
    """Keys of one algorithm used for another."""
    rsa_key, ec_key = issuer.keys["RS256"][1], issuer.keys["ES256"][1]
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    ec_public = ec_key.public_key()
    jwks = {row["kid"]: row for row in issuer.jwks()["keys"]}
    rs_head, es_head = head(alg="RS256", kid="rs"), head(alg="ES256", kid="es")
    pkcs, sha = padding.PKCS1v15(), hashes.SHA256()
    found = {
        "RS256 under the curve's name": with_signature(
            head(alg="RS256", kid="es"), good, rsa_key.sign(signed_part(HS, good), pkcs, sha)
        ),
        "ES256 by the RSA key": with_signature(
            es_head, good, rsa_key.sign(signed_part(es_head, good), pkcs, sha)
        ),
        "RS256 by the curve": with_signature(
            rs_head, good, ec_key.sign(signed_part(rs_head, good), ec.ECDSA(sha))
        ),
        "RS512": jwt.encode(json.loads(good), rsa_key, "RS512", headers={"kid": "rs"}),
        "PS256": jwt.encode(json.loads(good), rsa_key, "PS256", headers={"kid": "rs"}),
        "PS256 called RS256": with_signature(
            rs_head,
            good,
            rsa_key.sign(signed_part(rs_head, good), padding.PSS(padding.MGF1(sha), 32), sha),
        ),
    }
    public = {
        "PEM": ec_public.public_bytes(serialization.Encoding.PEM, spki),
        "DER": ec_public.public_bytes(serialization.Encoding.DER, spki),
        "JWK": json.dumps(jwks["es"]).encode(),
        "RSA JWK": json.dumps(jwks["rs"]).encode(),
        "modulus": base64.urlsafe_b64decode(jwks["rs"]["n"] + "=="),
        "x": base64.urlsafe_b64decode(jwks["es"]["x"] + "=="),
    }
    for what, key in public.items():
        for kid in ("hs", "rs", "es"):
            forged = handmade(head(alg="HS256", kid=kid), good, key)
            found[f"HS256 with the public {what} as {kid}"] = forged
    for name, digest in (("HS384", hashlib.sha384), ("HS512", hashlib.sha512)):
        longer = head(alg=name, kid="hs")
        mac = hmac.new(SECRET, signed_part(longer, good), digest).digest()
        found[name] = with_signature(longer, good, mac)
        found[f"{name} called HS256"] = with_signature(
            HS, good, hmac.new(SECRET, signed_part(HS, good), digest).digest()
        )
    return found


def signatures(issuer, good):
    """Signatures that broken verifiers take."""
    es_head = head(alg="ES256", kid="es")
    ec_key = issuer.keys["ES256"][1]
    r, s = raw_ecdsa(ec_key, signed_part(es_head, good))
    mac = hmac.new(SECRET, signed_part(HS, good), hashlib.sha256).digest()

    def pair(a, b):
        return with_signature(es_head, good, a.to_bytes(32, "big") + b.to_bytes(32, "big"))

    return {
        "ES256 of zeros": pair(0, 0),
        "ES256 with r = 0": pair(0, s),
        "ES256 with s = 0": pair(r, 0),
        "ES256 of the order": pair(P256_ORDER, P256_ORDER),
        "ES256 of ones": pair(1, 1),
        "ES256 turned about": pair(s, r),
        "ES256 in DER": with_signature(
            es_head, good, ec_key.sign(signed_part(es_head, good), ec.ECDSA(hashes.SHA256()))
        ),
        "ES256 too long": pair(r, s) + "AA",
        "HS256 of no bytes": f"{signed_part(HS, good).decode()}.",
        "HS256 cut": with_signature(HS, good, mac[:16]),
        "HS256 and more": with_signature(HS, good, mac + b"\0"),
        "HS256 in base64": with_signature(HS, good, mac)[:-1] + "+",
        "HS256 over claims alone": with_signature(
            HS, good, hmac.new(SECRET, b64url(good).encode(), hashlib.sha256).digest()
        ),
        "HS256 with an empty key": handmade(HS, good, b""),
        "HS256 with the secret's text": handmade(HS, good, b64url(SECRET).encode()),
        "five parts": f"{b64url(HS)}.a.b.c.d",
    }


def heads(good):
    """Heads that name a key, or ask for something, as they must not."""
    own = {"kty": "oct", "k": b64url(bytes(32))}
    kids = ["/dev/null", "file:///dev/null", "../../keys", "hs\0", "HS", "hs ", "", "h" * 4000, "*"]
    found = {f"kid {kid[:12]!r}": handmade(head(alg="HS256", kid=kid), good) for kid in kids}
    for kid in (None, ["hs"], {"kid": "hs"}, True):
        found[f"kid {kid!r}"] = handmade(head(alg="HS256", kid=kid), good)
    for alg in ("none", "NONE", "nOnE", "", "hs256", "HS256 ", None, ["HS256"], 256):
        found[f"alg {alg!r}"] = handmade(head(alg=alg, kid="hs"), good)
        found[f"alg {alg!r} unsigned"] = signed_part(head(alg=alg), good).decode() + "."
    for name, value in (
        ("jku", "https://attacker.test/keys"),
        ("x5u", "file:///dev/zero"),
        ("jwk", own),
        ("x5c", ["AAAA"]),
    ):
        forged = head(alg="HS256", **{name: value})
        found[f"its own {name}"] = handmade(forged, good, bytes(32))
    for more in ({"crit": []}, {"crit": ["exp"]}, {"crit": ["b64"], "b64": False}, {"b64": False}):
        found[f"asks for {more}"] = handmade(head(alg="HS256", kid="hs", **more), good)
    for text in (
        b"",
        b"[]",
        b"null",
        b"{",
        b'"HS256"',
        HS + b"}",
        HS + b"\0",
        b"\xef\xbb\xbf" + HS,
    ):
        found[f"head {text[:20]!r}"] = handmade(text, good)
    found["kid twice"] = handmade(b'{"alg":"HS256","kid":"none","kid":"hs"}', good)
    found["alg twice, once escaped"] = handmade(
        rb'{"alg":"HS256","\u0061lg":"HS256","kid":"hs"}', good
    )
    return found


def claims(issuer):
    """Claims that are missing, over, or of the wrong type, each signed with a good key."""
    now = time.time()
    base = issuer.claims(sluice=ADMIN)

    def signed(text):
        return handmade(HS, text if isinstance(text, bytes) else json.dumps(text).encode())

    def without(name):
        return {k: v for k, v in base.items() if k != name}

    wrong = {
        "exp": [
            None,
            "",
            str(int(now) + 300),
            True,
            [now + 300],
            {},
            -1,
            0,
            now - 1,
            int(now),
            1e300,
        ],
        "nbf": [None, "0", True, now + 280, now + 3600, [0], 1e300],
        "iat": [None, "0", True, {}],
        "aud": [
            None,
            "",
            AUDIENCE + " ",
            AUDIENCE.upper(),
            [],
            [[AUDIENCE]],
            {AUDIENCE: 1},
            1,
            "*",
        ],
        "iss": [None, "", ISSUER.upper(), [ISSUER], ISSUER + "\0", {}],
        "sub": [None, 7, ["a"], {}, "s" * 300],
        "sluice": [None, "admin", [], 1, True],
    }
    found = {}
    for name, values in wrong.items():
        for value in values:
            found[f"{name} = {value!r:.40}"] = signed({**base, name: value})
    for name in ("exp", "aud", "iss"):
        found[f"no {name}"] = signed(without(name))
    grants = {
        "subscribe": [
            None,
            "*",
            {},
            [1],
            [None],
            ["**"],
            ["job"],
            ["job:"],
            ["*:a"],
            ["job:a*"],
            [""],
        ],
        "publish": ["*", [["*"]], ["nope:*"], ["job:a\nb"], ["job:*"] * 65],
        "admin": [None, "true", 1, [], {}],
        "tenant": [None, "", 1, "a/b", "../-", "-a", "a b", "a\0", "a" * 64, ["-"], "--"],
    }
    for name, values in grants.items():
        for value in values:
            found[f"sluice.{name} = {value!r:.40}"] = signed(
                {**base, "sluice": {**ADMIN, name: value}}
            )
    text = json.dumps(base).encode()
    found |= {
        "exp twice": signed(text[:-1] + b', "exp": 9999999999}'),
        "aud twice": signed(b'{"aud": "' + AUDIENCE.encode() + b'", ' + text[1:]),
        "grants twice, once escaped": signed(text[:-1] + rb', "\u0073luice": {"admin": true}}'),
        "admin twice": signed(
            text.replace(b'"admin": true', b'"admin": false, "admin": true').replace(
                b'"sluice"', b'"sluice"'
            )
        ),
        "exp beyond numbers": signed(text.replace(str(base["exp"]).encode(), b"1e999")),
        "exp is no number of JSON": signed(text.replace(str(base["exp"]).encode(), b"Infinity")),
        "claims and more": signed(text + b" {}"),
        "claims cut": signed(text[:-1]),
        "claims with a comment": signed(text + b"//"),
        "claims behind a BOM": signed(b"\xef\xbb\xbf" + text),
        "claims in UTF-16": signed(json.dumps(base).encode("utf-16")),
        "claims with a bad byte": signed(text[:-1] + b', "sub": "\xc0\x80"}'),
        "claims of depth 3000": signed(b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"),
        "expired by a second": signed({**base, "exp": int(time.time()) - 1}),
    }
    return found


def ways(guarded, token):
    """[(way, status, code)] of everything that a token is good for."""
    show = bearer(token)
    rows = events("job:a", 0, 1)
    asked = [
        ("status", guarded.get("/api/v1/status", token)),
        ("publish", guarded.post(token, rows)),
        ("ticket", guarded.sluice.request("POST", "/api/v1/tickets", headers=show)),
        ("connections", guarded.get("/api/v1/workflows", token)),
    ]
    found = [(way, answer[0], answer[2]["code"]) for way, answer in asked]
    cookie = {"Cookie": f"sluice_token={token}"}
    for way, headers, query in (
        ("stream", show, {}),
        ("cookie", cookie, {}),
        ("query", {}, {"ticket": token}),
    ):
        with guarded.stream(None, "job:a", headers=headers, **query) as stream:
            found.append((way, refusal(stream)[0], "invalid_token"))
    return found


@pytest.mark.parametrize("group", ["crossed", "signatures", "heads", "claims"])
def test_nothing_is_opened_by_a_token_that_is_not_good(guarded, group):
    issuer = guarded.issuer
    good = json.dumps(issuer.claims(sluice=ADMIN)).encode()
    # What they are made of is good, but for the one thing.
    assert guarded.get("/api/v1/status", handmade(HS, good))[0] == 200
    tokens = {
        "crossed": lambda: crossed(issuer, good),
        "signatures": lambda: signatures(issuer, good),
        "heads": lambda: heads(good),
        "claims": lambda: claims(issuer),
    }[group]()
    taken = []
    for what, token in tokens.items():
        assert len(token) <= 8192, what
        for way, status, code in ways(guarded, token):
            if (status, code) != (401, "invalid_token"):
                taken.append((what, way, status, code))
    assert not taken
    assert len(tokens) >= 15


@pytest.mark.parametrize("algorithm", ["HS256", "RS256", "ES256"])
def test_one_wrong_character_anywhere_is_refused(guarded, algorithm):
    rng = random.Random(7)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token = guarded.issuer.token(algorithm, sluice=ADMIN)
    ends = [i for part in (1, 2, 3) for i in [len(".".join(token.split(".")[:part])) - 1]]
    places = ends + rng.sample(range(len(token)), 60)
    assert guarded.get("/api/v1/status", token)[0] == 200
    for place in places:
        # Every other letter at the last place of a part, where some mean the same bytes.
        others = letters if place in ends else rng.choice(letters)
        for letter in others.replace(token[place], "") + ("." if place not in ends else ""):
            wrong = token[:place] + letter + token[place + 1 :]
            if wrong != token:
                assert guarded.get("/api/v1/status", wrong)[0] == 401, (place, letter)


def test_another_installations_token_is_refused(guarded):
    other = Issuer()
    for algorithm in ("RS256", "ES256"):
        assert guarded.get("/api/v1/status", other.token(algorithm, sluice=ADMIN))[0] == 401
