import json

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from front.gates import KeyUnknown, TokenGate, TokenRefused, Trust
from front.keys import NO_KEYS, BadKeys, Keys, is_signed, read_keys

from .issuer import CLAIMS, EC, RSA, RSA_NEXT, PrivateKey, ec, listed, public, rsa, signed
from .wire import KEY


class Known:
    """An issuer whose keys are all known."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def verify(self, algorithm: str, kid: str | None, signed: bytes, signature: bytes) -> None:
        try:
            key = self._keys.find(algorithm, kid)
        except LookupError as exc:
            raise TokenRefused(str(exc)) from None
        if key is None:
            raise KeyUnknown("unknown")
        if not is_signed(key, signed, signature):
            raise TokenRefused("forged")


def gate(*keys: object, own: bytes | None = KEY) -> TokenGate:
    return TokenGate(own, Trust(Known(read_keys(listed(*keys))), "shop", "https://issuer/"))


BOTH = gate(public(RSA, "r"), public(EC, "e"))


@pytest.mark.parametrize(("key", "kid"), [(RSA, "r"), (EC, "e"), (RSA, None), (EC, None)])
def test_an_issuers_tokens_let_in(key: PrivateKey, kid: str | None) -> None:
    """RS256 and ES256, by the key that is named, or by the only one of its algorithm; ours let in as ever."""
    identity = BOTH.verify(signed(key, kid, role="x"))
    assert identity.actor == "ada"
    assert json.loads(identity.claims) == CLAIMS | {"role": "x"}
    assert BOTH.verify(jwt.encode({"sub": "bob", "aud": "fluxwire"}, KEY, "HS256")).actor == "bob"


PEM = RSA.public_key().public_bytes(
    pytest.importorskip("cryptography.hazmat.primitives.serialization").Encoding.PEM,
    pytest.importorskip("cryptography.hazmat.primitives.serialization").PublicFormat.SubjectPublicKeyInfo,
)


def confused(secret: bytes, kid: str | None) -> str:
    """Signed with HS256 by what everybody knows; PyJWT would not do that for us."""
    hmac_key = jwt.PyJWK({"kty": "oct", "k": "AAAA"}, "HS256")
    head = {"alg": "HS256", "typ": "JWT"} | ({"kid": kid} if kid else {})
    body = ".".join(jwt.utils.base64url_encode(json.dumps(part).encode()).decode() for part in (head, CLAIMS))
    return body + "." + jwt.utils.base64url_encode(hmac_key.Algorithm.sign(body.encode(), secret)).decode()


OTHER_CURVE = ec.generate_private_key(ec.SECP384R1())


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(signed(RSA_NEXT, "r"), id="forged by another key"),
        pytest.param(signed(RSA, "r")[:-3] + "AAA", id="forged"),
        pytest.param(signed(RSA, "e"), id="the key of another algorithm"),
        pytest.param(signed(RSA, "r", exp=1), id="expired"),
        pytest.param(signed(RSA, "r", aud="fluxwire"), id="our own audience"),
        pytest.param(signed(RSA, "r", aud="other"), id="another audience"),
        pytest.param(signed(RSA, "r", iss="https://evil/"), id="another issuer"),
        pytest.param(signed(RSA, "r", sub=""), id="nobody"),
        pytest.param(jwt.encode(CLAIMS, RSA, "RS512", headers={"kid": "r"}), id="another algorithm"),
        pytest.param(jwt.encode(CLAIMS, RSA, "PS256", headers={"kid": "r"}), id="another padding"),
        pytest.param(jwt.encode(CLAIMS, OTHER_CURVE, "ES384", headers={"kid": "e"}), id="another curve"),
        pytest.param(jwt.encode(CLAIMS, "", "none", headers={"kid": "r"}), id="not signed"),
        pytest.param(jwt.encode(CLAIMS, RSA, "RS256", headers={"kid": "r", "crit": ["x"]}), id="critical extension"),
        pytest.param(jwt.encode(CLAIMS, KEY, "HS256"), id="our key for their claims"),
        pytest.param(confused(PEM, None), id="HS256 with the public key"),
        pytest.param(confused(PEM, "r"), id="HS256 with the public key, named"),
        pytest.param(confused(json.dumps(public(RSA, "r")).encode(), "r"), id="HS256 with the public key as JSON"),
        pytest.param(confused(b"", "r"), id="HS256 with nothing"),
    ],
)
def test_other_tokens_are_refused(bad: str) -> None:
    """Whatever a token says of itself, only its issuer's key makes it good, with the algorithm of that key."""
    for one in (BOTH, gate(public(RSA, "r"), public(EC, "e"), own=None)):
        with pytest.raises(TokenRefused) as caught:
            one.verify(bad)
        assert not isinstance(caught.value, KeyUnknown)


def test_several_keys() -> None:
    """While keys are exchanged there are two: the token has to say which it is."""
    several = gate(public(RSA, "old"), public(RSA_NEXT, "new"))
    assert several.verify(signed(RSA, "old")).actor == "ada"
    assert several.verify(signed(RSA_NEXT, "new")).actor == "ada"
    with pytest.raises(TokenRefused, match="none of several"):
        several.verify(signed(RSA))
    with pytest.raises(KeyUnknown):
        several.verify(signed(RSA, "next"))
    with pytest.raises(KeyUnknown):
        several.verify(signed(EC))


def test_a_front_without_a_key_of_its_own() -> None:
    """It takes the issuer's tokens alone, and signs none."""
    theirs = gate(public(EC, "e"), own=None)
    assert theirs.verify(signed(EC, "e")).actor == "ada"
    with pytest.raises(TokenRefused):
        theirs.verify(jwt.encode(CLAIMS | {"aud": "fluxwire"}, KEY, "HS256"))
    with pytest.raises(ValueError, match="no key"):
        theirs.sign("ada", now=0.0, lifetime=1.0)


def test_keys_that_are_passed_over() -> None:
    """Short, symmetric, foreign and broken keys are as if they were not there; the good one beside them is."""
    short = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
    keys = read_keys(
        listed(
            public(short, "short"),
            public(RSA, "encrypts", use="enc"),
            public(RSA, "signs", key_ops=["sign"]),
            public(RSA, "says otherwise", alg="RS512"),
            public(OTHER_CURVE, "curve"),
            {"kty": "oct", "kid": "secret", "k": "AAAA"},
            {"kty": "RSA", "kid": "empty"},
            {"kty": "RSA", "kid": "broken", "n": "?", "e": 7},
            {"kty": "EC", "kid": "no point", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
            {"kty": 7},
            None,
            "key",
            public(EC, "good", use="sig", key_ops=["verify"], alg="ES256", x5c=["AAAA"]),
        )
    )
    assert keys.find("ES256", "good") is not None
    assert keys.find("RS256", None) is None
    for kid in ("short", "encrypts", "signs", "says otherwise", "secret", "empty", "broken"):
        assert keys.find("RS256", kid) is None
    assert keys.find("ES256", "curve") is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys": 7}',
        b'{"keys": []}',
        b'{"keys": [7]}',
        b"[" * 100_000,
        b"\xff",
        listed({"kty": "oct", "kid": "secret", "k": "AAAA"}),
        listed(*[{"kty": "RSA"}] * 101),
    ],
    ids=lambda text: text[:20].decode(errors="replace"),
)
def test_what_is_no_list_of_keys(text: bytes) -> None:
    """An issuer that lies is not believed."""
    with pytest.raises(BadKeys):
        read_keys(text)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["keys", "kty", "kid", "n", "e", "x", "y", "crv"]),
                inner | st.sampled_from(["RSA", "EC", "P-256"]),
            )
        ),
    )
)
def test_any_list(said: object) -> None:
    """Whatever an issuer says is a list of keys or BadKeys."""
    try:
        read_keys(json.dumps(said).encode())
    except BadKeys:
        return


def test_no_keys() -> None:
    """Before the first list every key is unknown."""
    assert NO_KEYS.find("RS256", "a") is None
    assert NO_KEYS.find("ES256", None) is None
