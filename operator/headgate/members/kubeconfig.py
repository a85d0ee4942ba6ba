"""From the content of a Secret to a client for the cluster that it leads to.

Whoever may write that Secret is somebody else than who runs the operator. So nothing of it is believed, and what would
have the operator run a program or read a file is refused, unless whoever runs the operator trusts all of them.
Only the current context counts. What is wrong is named by its place in the file, never by what stands there.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NoReturn

import yaml
import yarl
from kubernetes.aio import client as official
from kubernetes.aio import config as official_config

from headgate.kube.client import Api
from headgate.members.errors import ClusterError

if TYPE_CHECKING:
    from headgate.kube.lookups import Lookups

MOST_BYTES: Final = 256 * 1024
LOAD_SECONDS: Final = 10.0
"""How long a program may take to give credentials, where it may run."""

_DATA: Final = "-data"
_INLINE: Final = {
    "certificate-authority": "certificate-authority-data",
    "client-certificate": "client-certificate-data",
    "client-key": "client-key-data",
    "tokenFile": "token",
}
"""Fields that name a file, with the field that would hold its content."""
_RUNS: Final = ("exec", "auth-provider")
_IMPERSONATES: Final = ("as", "as-uid", "as-groups", "as-user-extra")
_TRUST: Final = (
    "or have the operator trust kubeconfigs (--trust-kubeconfigs, in the chart clusters.trustKubeconfigs)"
)

Fields = dict[str, Any]


@dataclass(frozen=True, repr=False)
class Kubeconfig:
    """The current context of a kubeconfig, checked."""

    cluster: Fields
    cluster_path: str
    """Where its cluster stands in the file, as messages name it: `clusters[0].cluster`."""
    user: Fields
    user_path: str

    @property
    def fetches_credentials(self) -> bool:
        """Whether credentials come from elsewhere, so that they can change although it does not."""
        return any(self.user.get(field) for field in (*_RUNS, *_INLINE))

    async def connect(self, *, request_seconds: float, lookups: Lookups | None = None) -> Api:
        """Return a client; nothing has been sent yet. Raises `ClusterError`."""
        configuration = official.Configuration()
        # Python takes a key from a file only. What is read once need not stay there.
        with TemporaryDirectory(prefix="headgate-") as directory:
            folder = Path(directory)
            cluster = _with_files(self.cluster, self.cluster_path, folder)
            user = _with_files(self.user, self.user_path, folder)
            try:
                async with asyncio.timeout(LOAD_SECONDS):
                    await official_config.load_kube_config_from_dict(
                        _single(cluster, user), client_configuration=configuration
                    )
            except Exception as error:
                # Of what it says, some could be out of the file.
                raise ClusterError(
                    f"{self.user_path} gives no credentials ({type(error).__name__})"
                ) from None
            self._check(configuration)
            # As strict as client-go, and no stricter: newer Pythons would refuse authorities that it takes.
            configuration.disable_strict_ssl_verification = True
            api = Api(configuration, request_seconds=request_seconds, resolver=lookups)
            api.official.rest_client.ssl_context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            return api

    def _check(self, configuration: official.Configuration) -> None:
        if self.user.get("exec") and not (configuration.api_key or configuration.cert_file):
            raise ClusterError(f"{self.user_path}.exec gives no credentials: the operator's log says why")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if configuration.ssl_ca_cert:
            try:
                context.load_verify_locations(configuration.ssl_ca_cert)
            except (ssl.SSLError, OSError):
                self._refuse_pem(
                    self.cluster, self.cluster_path, "certificate-authority", "a PEM certificate"
                )
        if configuration.cert_file:
            try:
                # Without a function to ask for the passphrase, OpenSSL would ask at the terminal.
                context.load_cert_chain(configuration.cert_file, configuration.key_file, _no_passphrase)
            except (ssl.SSLError, OSError, ClusterError):
                self._refuse_pem(
                    self.user,
                    self.user_path,
                    "client-key",
                    "the PEM key of the client certificate, without a passphrase",
                )

    @staticmethod
    def _refuse_pem(fields: Fields, path: str, field: str, wanted: str) -> NoReturn:
        name = _INLINE[field] if fields.get(_INLINE[field]) else field
        raise ClusterError(f"{path}.{name} is not {wanted}") from None


def parse(content: bytes, *, trusted: bool) -> Kubeconfig:
    """Read a kubeconfig. Takes up to a second for the largest; raises `ClusterError`."""
    config = _yaml(content)
    context_name = _text(config, "current-context", "")
    if context_name is None:
        raise ClusterError("current-context is missing: it has to name one of contexts")
    context, context_path = _named(config, "contexts", "context", context_name, "current-context")
    cluster_name = _text(context, "cluster", context_path)
    if cluster_name is None:
        raise ClusterError(f"{context_path}.cluster is missing: it has to name one of clusters")
    cluster, cluster_path = _named(config, "clusters", "cluster", cluster_name, f"{context_path}.cluster")
    user: Fields = {}
    user_path = f"{context_path}.user"
    user_name = _text(context, "user", context_path)
    if user_name is not None:
        user, user_path = _named(config, "users", "user", user_name, user_path)
    if not trusted:
        _refuse_foreign(cluster, cluster_path)
        _refuse_foreign(user, user_path)
    checked = _checked_cluster(_with_scheme(cluster, user), cluster_path)
    return Kubeconfig(checked, cluster_path, _checked_user(user, user_path), user_path)


def _yaml(content: bytes) -> Fields:
    if len(content) > MOST_BYTES:
        raise ClusterError(f"it is larger than {MOST_BYTES // 1024} KiB: leave one context in it")
    try:
        config = yaml.safe_load(content)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise ClusterError(f"it is not YAML{f': see line {mark.line + 1}' if mark else ''}") from None
    except Exception:
        # Not text, nested without end, a date that is none: there is no end of what can be wrong.
        raise ClusterError("it is not YAML") from None
    if not isinstance(config, dict) or not config:
        raise ClusterError(
            "it is not a kubeconfig: clusters, contexts, users and current-context are expected"
        )
    return config


def _named(config: Fields, plural: str, singular: str, name: str, told_by: str) -> tuple[Fields, str]:
    """Return what stands under a name, and where."""
    entries = config.get(plural)
    if not isinstance(entries, list):
        raise ClusterError(f"{plural} is missing, or not a list")
    found = [
        index for index, entry in enumerate(entries) if isinstance(entry, dict) and entry.get("name") == name
    ]
    if not found:
        raise ClusterError(f"{told_by} names none of {plural}")
    if len(found) > 1:
        raise ClusterError(f"{plural}[{found[0]}] and {plural}[{found[1]}] have the same name")
    path = f"{plural}[{found[0]}].{singular}"
    fields = entries[found[0]].get(singular)
    if not isinstance(fields, dict):
        raise ClusterError(f"{path} is missing, or not a mapping")
    return fields, path


def _refuse_foreign(fields: Fields, path: str) -> None:
    for field in _RUNS:
        if fields.get(field):
            raise ClusterError(
                f"{path}.{field} is refused, since it would have the operator run a program or ask a third party: use "
                f"a token or a client certificate, {_TRUST}"
            )
    for field, inline in _INLINE.items():
        if fields.get(field):
            raise ClusterError(
                f"{path}.{field} is refused, since it names a file: put its content into {inline}, {_TRUST}"
            )


def _with_scheme(cluster: Fields, user: Fields) -> Fields:
    """Return a cluster whose server has a scheme: client-go takes a host and a port, too."""
    server = cluster.get("server")
    if not isinstance(server, str) or not server or "://" in server or "/" in server.rstrip("/"):
        return cluster
    secured = any(
        fields.get(name)
        for fields, field in ((cluster, "certificate-authority"), (user, "client-certificate"))
        for name in (field, f"{field}{_DATA}")
    )
    scheme = "https" if secured or cluster.get("insecure-skip-tls-verify") else "http"
    return {**cluster, "server": f"{scheme}://{server}"}


def _checked_cluster(fields: Fields, path: str) -> Fields:
    server = _url(fields, "server", path, ("https", "http"))
    if server is None:
        raise ClusterError(
            f"{path}.server is missing: the address of the API server, such as https://10.0.0.1:6443"
        )
    result: Fields = {"server": server}
    insecure = fields.get("insecure-skip-tls-verify")
    if not isinstance(insecure, bool | None):
        raise ClusterError(f"{path}.insecure-skip-tls-verify has to be true or false")
    for field in ("certificate-authority", "certificate-authority-data", "tls-server-name"):
        value = _text(fields, field, path)
        if value is not None:
            result[field] = value
            if insecure and field != "tls-server-name":
                raise ClusterError(
                    f"{path}.{field} makes no sense with insecure-skip-tls-verify: remove one of them"
                )
    proxy = _url(fields, "proxy-url", path, ("http", "https"))
    if proxy is not None:
        result["proxy-url"] = proxy
    if insecure:
        result["insecure-skip-tls-verify"] = True
    return result


def _checked_user(fields: Fields, path: str) -> Fields:
    for field in _IMPERSONATES:
        if fields.get(field):
            raise ClusterError(
                f"{path}.{field}: impersonation is not supported, use credentials of the user itself"
            )
    result: Fields = {}
    for field in ("token", "tokenFile", "username", "password", "client-certificate", "client-key"):
        for name in (field, f"{field}{_DATA}") if field.startswith("client-") else (field,):
            value = _text(fields, name, path)
            if value is not None:
                result[name] = value
    _complete(result, path, ("username",), ("password",))
    certificate, key = (("client-" + part, f"client-{part}{_DATA}") for part in ("certificate", "key"))
    _complete(result, path, certificate, key)
    token = result.get("token")
    if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
        raise ClusterError(f"{path}.token holds a space, a line break or another character that no token has")
    result.update({field: fields[field] for field in _RUNS if fields.get(field)})
    return result


def _complete(fields: Fields, path: str, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """Raise where there is one of two things, and not the other."""
    for there, wanted in ((one, other), (other, one)):
        if any(field in fields for field in there) and not any(field in fields for field in wanted):
            raise ClusterError(f"{path}.{wanted[-1]} is missing")


def _text(fields: Fields, field: str, path: str) -> str | None:
    value = fields.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ClusterError(f"{path}{'.' if path else ''}{field} has to be text: put it into quotes")
    return value


def _url(fields: Fields, field: str, path: str, schemes: tuple[str, ...]) -> str | None:
    text = _text(fields, field, path)
    if text is None:
        return None
    wanted = " or ".join(f"{scheme}://" for scheme in schemes)
    try:
        url = yarl.URL(text)
        whole = url.scheme in schemes and bool(url.host) and url.port is not None
    except ValueError:
        whole = False
    if not whole:
        raise ClusterError(f"{path}.{field} has to be a URL that begins with {wanted}")
    if field == "server" and (url.user or url.password or url.query_string or url.fragment):
        raise ClusterError(f"{path}.server has to be an address alone, without a user, a query or a fragment")
    return str(url).rstrip("/")


def _with_files(fields: Fields, path: str, folder: Path) -> Fields:
    """Return fields with files in place of data."""
    result = dict(fields)
    for field in [field for field in fields if field.endswith(_DATA)]:
        file = folder / field
        file.write_bytes(_decoded(fields[field], f"{path}.{field}"))
        del result[field]
        result[field.removesuffix(_DATA)] = str(file)
    return result


def _decoded(text: str, path: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ClusterError(f"{path} is not base64") from None


def _no_passphrase() -> str:
    raise ClusterError("a key with a passphrase")


def _single(cluster: Fields, user: Fields) -> Fields:
    """Return a kubeconfig with one context."""
    name = "member"
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
    }
