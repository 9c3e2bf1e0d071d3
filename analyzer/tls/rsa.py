"""A server's private key: it opens connections with RSA key exchange, and no others.

The client sends the pre-master secret encrypted with the key of the server's certificate (RFC 5246 section 7.4.7.1).
With (EC)DHE, and so always in TLS 1.3, the key of the certificate only signs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from analyzer.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

__all__ = ["ServerKey", "server_keys"]


class ServerKey:
    """An RSA private key."""

    def __init__(self, key: RSAPrivateKey) -> None:
        self._key = key

    def pre_master_secret(self, encrypted: bytes, versions: tuple[int, ...]) -> bytes | None:
        """Decrypt what a ClientKeyExchange holds (48 bytes); None when it is not for this key.

        The secret begins with the version that the client offered; some clients send the negotiated one, so that
        `versions` are several. Newer OpenSSL answers random bytes where the padding is wrong: the version tells.
        """
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        if len(encrypted) != (self._key.key_size + 7) // 8:
            return None
        try:
            secret = self._key.decrypt(encrypted, PKCS1v15())
        except ValueError:
            return None
        fits = len(secret) == _PRE_MASTER_SECRET and int.from_bytes(secret[:2], "big") in versions
        return secret if fits else None


def server_keys(data: bytes, source: str, password: str | None = None) -> tuple[ServerKey, ...]:
    """The RSA keys of a file: PEM (one or several, among other things) or DER, PKCS #1 or PKCS #8.

    Raises `InputError` when there is none: no key, one of another kind, or a password that is missing or wrong.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

    blocks = _PEM.findall(data)
    secret = None if password is None else password.encode()
    keys: list[ServerKey] = []
    others = 0
    for block in blocks[:_MOST_KEYS] or [data]:
        load = load_pem_private_key if blocks else load_der_private_key
        try:
            key = load(block, secret)
        except TypeError:
            # Says either that a password is missing, or that one was given for a key that has none.
            try:
                key = load(block, None)
            except (TypeError, ValueError, UnsupportedAlgorithm):
                raise InputError(source, "its private key is encrypted", hint="Give its password.") from None
        except (ValueError, UnsupportedAlgorithm):
            wrong = "holds no private key that can be read" + ("" if password is None else ", or the password is wrong")
            raise InputError(source, wrong, hint="A PEM or DER file with an RSA private key is needed.") from None
        if isinstance(key, RSAPrivateKey):
            keys.append(ServerKey(key))
        else:
            others += 1
    if not keys:
        raise InputError(
            source,
            f"none of its {others} private keys is an RSA key",
            hint="Only RSA key exchange can be opened with a server's key; for all else take a key log.",
        )
    return tuple(keys)


_PRE_MASTER_SECRET: Final = 48
_MOST_KEYS: Final = 64
_PEM: Final = re.compile(
    rb"-----BEGIN (?:RSA |EC |DSA |ENCRYPTED |)PRIVATE KEY-----[^-]*+(?:-(?!-)[^-]*+)*+-----END [A-Z ]*PRIVATE KEY-----"
)
