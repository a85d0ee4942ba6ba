"""Who may talk to the API server: tokens, kubeconfigs, and the key that signs service account tokens.

Static tokens are enough here, and they are what makes users like ``alice`` cheap. Nothing but the standard
library is needed: the API server makes its own serving certificate, and an EC private key is a few bytes of
DER. Only the certificate that the API server shows to real kubelets takes a program, openssl.
"""

from __future__ import annotations

import base64
import json
import secrets
import subprocess
from typing import TYPE_CHECKING

from controlplane.errors import ControlPlaneError

if TYPE_CHECKING:
    from pathlib import Path

ADMIN = "admin"

# name of the token → (username, groups). Only admin has rights before somebody grants some.
USERS = {
    ADMIN: (ADMIN, ("system:masters",)),
    "alice": ("alice", ("people",)),
    "bob": ("bob", ("people",)),
    "carol": ("carol", ("people",)),
    "operator": ("headgate-operator", ()),
}
# what the components authenticate as; RBAC's bootstrap roles know these names
COMPONENTS = {
    "kube-controller-manager": ("system:kube-controller-manager", ()),
    "kube-scheduler": ("system:kube-scheduler", ()),
    "kwok": ("kwok", ("system:masters",)),
}

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256_OID = bytes.fromhex("06082a8648ce3d030107")


def new_tokens() -> dict[str, str]:
    """Return a fresh token for each user and component."""
    return {name: secrets.token_hex(16) for name in (*USERS, *COMPONENTS)}


def write_token_file(path: Path, tokens: dict[str, str]) -> None:
    """Write what the API server reads with ``--token-auth-file``."""
    lines = []
    for name, (user, groups) in {**USERS, **COMPONENTS}.items():
        lines.append(f'{tokens[name]},{user},{user},"{",".join(groups)}"\n')
    write_secret(path, "".join(lines))


def write_signing_key(path: Path) -> None:
    """Write a P-256 key that signs service account tokens: SEC 1 DER without the derivable public part."""
    scalar = (secrets.randbelow(P256_ORDER - 1) + 1).to_bytes(32, "big")
    body = b"\x02\x01\x01" + b"\x04\x20" + scalar + b"\xa0" + bytes([len(P256_OID)]) + P256_OID
    text = base64.encodebytes(b"\x30" + bytes([len(body)]) + body).decode()
    write_secret(path, f"-----BEGIN EC PRIVATE KEY-----\n{text}-----END EC PRIVATE KEY-----\n")


def write_client_certificate(path: Path) -> None:
    """Write a certificate that signs itself, for a client, and its key beside it with the suffix ``.key``."""
    path.with_suffix(".key").touch(mode=0o600)
    command = [
        "openssl",
        "req",
        "-x509",
        "-nodes",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
    ]
    command += ["-days", "3650", "-subj", "/CN=kube-apiserver", "-addext", "extendedKeyUsage=clientAuth"]
    try:
        subprocess.run(
            [*command, "-keyout", path.with_suffix(".key"), "-out", path], capture_output=True, check=True
        )
    except FileNotFoundError as error:
        raise ControlPlaneError("openssl is not installed, and real nodes need a certificate") from error


def write_kubeconfig(path: Path, *, server: str, ca: bytes, user: str, token: str) -> None:
    """Write a kubeconfig that needs no other file, so that it can be put into a Secret as it is."""
    quoted = json.dumps  # every JSON string is a YAML string
    write_secret(
        path,
        f"""\
apiVersion: v1
kind: Config
clusters:
- name: headgate
  cluster:
    server: {quoted(server)}
    certificate-authority-data: {base64.b64encode(ca).decode()}
users:
- name: {quoted(user)}
  user:
    token: {quoted(token)}
contexts:
- name: headgate
  context:
    cluster: headgate
    user: {quoted(user)}
current-context: headgate
""",
    )


def write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text)
