"""Kubeconfigs out of Secrets: what is taken, what is refused, and that no message repeats what was in them."""

from __future__ import annotations

import base64
import copy
import os
import socket
import tempfile
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.thoroughness import examples
from tests.unit.members.server import CERTIFICATES, NAME, data, http_proxy, https_server

from headgate.kube.client import UNREACHABLE, ApiError
from headgate.members.errors import ClusterError, failure
from headgate.members.kubeconfig import MOST_BYTES, parse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.unit.members.server import Server

    from headgate.kube.client import Api

TOKEN = "s3cr3t-t0k3n"


def config(server: str = "https://127.0.0.1:6443", **user: Any) -> dict[str, Any]:
    """A kubeconfig for the server of these tests."""
    cluster = {"server": server, "certificate-authority-data": data("ca.crt"), "tls-server-name": NAME}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user or {"token": TOKEN}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def cluster_of(body: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = body["clusters"][0]["cluster"]
    return fields


@asynccontextmanager
async def client(body: dict[str, Any], *, trusted: bool = False) -> AsyncIterator[Api]:
    api = await parse(yaml.safe_dump(body).encode(), trusted=trusted).connect(request_seconds=5)
    try:
        yield api
    finally:
        await api.close()


async def refused(body: dict[str, Any] | bytes | str, *, trusted: bool = False) -> str:
    """The message with which it is refused."""
    content = body.encode() if isinstance(body, str) else body
    content = yaml.safe_dump(content).encode() if isinstance(content, dict) else content
    with pytest.raises(ClusterError) as caught:
        await (await parse(content, trusted=trusted).connect(request_seconds=5)).close()
    return str(caught.value)


async def asked_with(body: dict[str, Any], server: Server, *, trusted: bool = False) -> Any:
    async with client(body, trusted=trusted) as api:
        assert await api.text("/readyz") == "ok"
    return server.asked[-1]


# ---- what works -------------------------------------------------------------------------------------------------


async def test_a_token() -> None:
    async with https_server() as server:
        asked = await asked_with(config(server.url), server)
    assert asked.authorization == f"Bearer {TOKEN}"
    assert asked.user is None


async def test_a_client_certificate_and_its_key() -> None:
    user = {"client-certificate-data": data("client.crt"), "client-key-data": data("client.key")}
    async with https_server() as server:
        asked = await asked_with(config(server.url, **user), server)
    assert asked.user == "dispatcher"
    assert asked.authorization is None


async def test_a_user_and_a_password() -> None:
    async with https_server() as server:
        asked = await asked_with(config(server.url, username="alice", password="pass word"), server)
    assert asked.authorization == "Basic " + base64.b64encode(b"alice:pass word").decode()


async def test_the_name_in_the_certificate_may_be_given() -> None:
    async with https_server() as server:
        assert (await asked_with(config(server.url), server)).server_name == NAME


async def test_a_server_that_is_not_to_be_verified() -> None:
    async with https_server() as server:
        body = config(server.url)
        body["clusters"][0]["cluster"] = {"server": server.url, "insecure-skip-tls-verify": True}
        assert (await asked_with(body, server)).authorization == f"Bearer {TOKEN}"


async def test_a_proxy() -> None:
    async with https_server() as server, http_proxy() as (port, lines):
        body = config(server.url)
        cluster_of(body)["proxy-url"] = f"http://carol:pr0xy@127.0.0.1:{port}"
        assert (await asked_with(body, server)).server_name == NAME
    assert lines[0].startswith(f"CONNECT 127.0.0.1:{server.port} ")
    assert f"Proxy-Authorization: Basic {base64.b64encode(b'carol:pr0xy').decode()}" in lines[0]


async def test_a_proxy_with_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its certificate is one of the authority in the kubeconfig, as client-go has it."""
    monkeypatch.setattr(socket, "getaddrinfo", partial(here, socket.getaddrinfo))
    async with https_server() as server, http_proxy(tls=True) as (port, lines):
        body = config(server.url)
        cluster_of(body)["proxy-url"] = f"https://{NAME}:{port}"
        assert (await asked_with(body, server)).server_name == NAME
    assert lines[0].startswith(f"CONNECT 127.0.0.1:{server.port} ")


def here(getaddrinfo: Callable[..., Any], host: Any, *arguments: Any, **options: Any) -> Any:
    return getaddrinfo("127.0.0.1" if host == NAME else host, *arguments, **options)


@pytest.mark.parametrize(
    ("cluster", "user", "scheme"),
    [
        ({"certificate-authority-data": data("ca.crt")}, {}, "https"),
        ({"insecure-skip-tls-verify": True}, {}, "https"),
        (
            {},
            {"client-certificate-data": data("client.crt"), "client-key-data": data("client.key")},
            "https",
        ),
        ({}, {"token": TOKEN}, "http"),
    ],
)
async def test_a_server_without_a_scheme_is_what_client_go_takes_it_for(
    cluster: dict[str, Any], user: dict[str, Any], scheme: str
) -> None:
    body = config("unused", **user)
    for server in ("10.0.0.1:6443", "10.0.0.1:6443/", "member.test"):
        body["clusters"][0]["cluster"] = {"server": server, **cluster}
        async with client(body) as api:
            assert api.base == f"{scheme}://{server.rstrip('/')}"


async def test_a_server_without_tls_and_a_path_before_the_api() -> None:
    body = config("http://127.0.0.1:8001/k8s/clusters/one/")
    async with client(body) as api:
        assert api.base == "http://127.0.0.1:8001/k8s/clusters/one"


async def test_the_current_context_counts_and_nothing_else() -> None:
    async with https_server() as server:
        body = config(server.url)
        body["clusters"].insert(0, {"name": "other", "cluster": {"server": "https://other.test"}})
        body["users"].insert(0, {"name": "other", "user": {"exec": {"command": "aws"}}})
        body["contexts"].insert(0, {"name": "other", "context": {"cluster": "other", "user": "other"}})
        assert (await asked_with(body, server)).authorization == f"Bearer {TOKEN}"
        body["current-context"] = "other"
        assert "users[0].user.exec is refused" in await refused(body)


async def test_json_is_yaml_too() -> None:
    body = '{"current-context":"x","contexts":[{"name":"x","context":{"cluster":"c"}}],' + (
        '"clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}]}'
    )
    api = await parse(body.encode(), trusted=False).connect(request_seconds=5)
    assert await api.authorization() == {}
    await api.close()


async def test_no_file_stays_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    user = {"client-certificate-data": data("client.crt"), "client-key-data": data("client.key")}
    async with client(config(**user)), client(config(**user)):
        assert os.listdir(tmp_path) == []


# ---- what is wrong with a server --------------------------------------------------------------------------------


async def failed(body: dict[str, Any]) -> str:
    async with client(body) as api:
        try:
            await api.text("/readyz")
        except (ApiError, *UNREACHABLE) as error:
            return str(failure(error, "say whether it is ready"))
    raise AssertionError("it was answered")


async def test_another_authority_signed_the_certificate() -> None:
    async with https_server() as server:
        body = config(server.url)
        cluster_of(body)["certificate-authority-data"] = data("stranger.crt")
        message = await failed(body)
    # The rest is OpenSSL's, which has several words for it.
    assert message.startswith("its certificate is not accepted: ")
    assert "verified" not in message


async def test_the_certificate_is_for_another_name() -> None:
    async with https_server() as server:
        body = config(server.url)
        cluster_of(body)["tls-server-name"] = "other.test"
        message = await failed(body)
        del cluster_of(body)["tls-server-name"]
        assert await failed(body) == message
    assert "tls-server-name" in message
    assert NAME not in message
    assert "other" not in message.replace("another", "")


async def test_nobody_is_there() -> None:
    message = await failed(config("https://127.0.0.1:1"))
    assert message == "cannot be reached: connection refused"


async def test_the_proxy_is_not_there() -> None:
    body = config()
    cluster_of(body)["proxy-url"] = "http://carol:pr0xy@127.0.0.1:1"
    assert await failed(body) == "the proxy of the kubeconfig cannot be reached: connection refused"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ApiError(401, "Unauthorized", f"you said {TOKEN}"), "does not accept the credentials (401)"),
        (ApiError(403, "Forbidden", f"you said {TOKEN}"), "may not list Jobs (403): grant what examples/"),
        (ApiError(503, "Bad Gateway", f"you said {TOKEN}"), "answers 503 (asked to list Jobs)"),
        (TimeoutError(TOKEN), "does not answer in time"),
        (aiohttp.ClientPayloadError(TOKEN), "does not answer as a Kubernetes API server does"),
        (aiohttp.ServerDisconnectedError(TOKEN), "the connection broke"),
        (ConnectionResetError(TOKEN), "the connection broke"),
    ],
)
def test_what_an_error_says_is_not_repeated(error: Exception, words: str) -> None:
    message = str(failure(error, "list Jobs"))
    assert words in message
    assert TOKEN not in message


# ---- what is refused --------------------------------------------------------------------------------------------

PLUGIN = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/plugin"}}


@pytest.mark.parametrize(
    ("user", "field"),
    [
        (PLUGIN, "users[0].user.exec"),
        ({"auth-provider": {"name": "oidc"}}, "users[0].user.auth-provider"),
        ({"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"}, "users[0].user.tokenFile"),
        ({"token": TOKEN, "tokenFile": "/etc/passwd"}, "users[0].user.tokenFile"),
        ({"client-certificate": "/c", "client-key": "/k"}, "users[0].user.client-certificate"),
        ({"client-certificate-data": data("client.crt"), "client-key": "/k"}, "users[0].user.client-key"),
    ],
)
async def test_programs_and_files_are_refused(user: dict[str, Any], field: str) -> None:
    message = await refused(config(**user))
    assert message.startswith(f"{field} is refused")
    assert "--trust-kubeconfigs" in message


async def test_an_authority_in_a_file_is_refused() -> None:
    body = config()
    cluster_of(body)["certificate-authority"] = "/etc/ssl/ca.crt"
    message = await refused(body)
    assert message.startswith("clusters[0].cluster.certificate-authority is refused")
    assert "put its content into certificate-authority-data" in message


async def test_files_are_read_where_kubeconfigs_are_trusted(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("from-a-file")
    async with https_server() as server:
        body = config(server.url, tokenFile=str(token))
        cluster_of(body)["certificate-authority"] = str(CERTIFICATES / "ca.crt")
        del cluster_of(body)["certificate-authority-data"]
        assert (await asked_with(body, server, trusted=True)).authorization == "Bearer from-a-file"
        files = {"client-certificate": str(CERTIFICATES / "client.crt")}
        files["client-key"] = str(CERTIFICATES / "client.key")
        assert (await asked_with(config(server.url, **files), server, trusted=True)).user == "dispatcher"
    assert parse(yaml.safe_dump(body).encode(), trusted=True).fetches_credentials
    assert not parse(yaml.safe_dump(config()).encode(), trusted=True).fetches_credentials


async def test_programs_are_run_where_kubeconfigs_are_trusted(tmp_path: Path) -> None:
    program = tmp_path / "plugin"
    answer = (
        '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}'
    )
    program.write_text(f"#!/bin/sh\necho '{answer % 'from-a-program'}'\n")
    program.chmod(0o700)
    user: dict[str, Any] = {"exec": {**PLUGIN["exec"], "command": str(program)}}
    async with https_server() as server:
        asked = await asked_with(config(server.url, **user), server, trusted=True)
    assert asked.authorization == "Bearer from-a-program"
    assert parse(yaml.safe_dump(config(**user)).encode(), trusted=True).fetches_credentials


async def test_a_program_that_gives_nothing() -> None:
    user: dict[str, Any] = {"exec": {**PLUGIN["exec"], "command": "/there/is/none"}}
    message = await refused(config(**user), trusted=True)
    assert message == "users[0].user.exec gives no credentials: the operator's log says why"


@pytest.mark.parametrize("field", ["as", "as-uid", "as-groups", "as-user-extra"])
async def test_impersonation_is_refused(field: str) -> None:
    user: dict[str, Any] = {"token": TOKEN, field: ["root"]}
    assert f"users[0].user.{field}: impersonation" in await refused(config(**user))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is not a kubeconfig"),
        (b"just words", "it is not a kubeconfig"),
        (b"[]", "it is not a kubeconfig"),
        (b"\xff\xfe\x00", "it is not YAML"),
        (b"a: b\nc: [d\nsecret: e", "it is not YAML: see line 3"),
        (b"\ttab: 1", "it is not YAML: see line 1"),
        (b"a: 2026-99-99", "it is not YAML"),
        (b"[" * 20000, "it is not YAML"),
        (b"a: !!python/object/apply:os.system [ls]", "it is not YAML: see line 1"),
        (b"x" * (MOST_BYTES + 1), "it is larger than 256 KiB"),
        (b"clusters: []", "current-context is missing"),
        (b"current-context: ''\nclusters: []", "current-context is missing"),
        (b"current-context: 7\nclusters: []", "current-context has to be text"),
        (b"current-context: x", "contexts is missing, or not a list"),
        (b"current-context: x\ncontexts: {x: {}}", "contexts is missing, or not a list"),
        (b"current-context: x\ncontexts: [1, null, {name: y}]", "current-context names none of contexts"),
        (b"current-context: x\ncontexts: [{name: x}]", "contexts[0].context is missing, or not a mapping"),
    ],
)
async def test_what_is_no_kubeconfig(content: bytes, message: str) -> None:
    assert message in await refused(content)


def change(path: str, value: Any) -> dict[str, Any]:
    """The kubeconfig with another value in one place; None takes it out."""
    body = config()
    target: Any = body
    *way, last = path.split(".")
    for step in way:
        target = target[int(step) if step.isdigit() else step]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return body


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("contexts.0.context.cluster", None, "contexts[0].context.cluster is missing"),
        ("contexts.0.context.cluster", "d", "contexts[0].context.cluster names none of clusters"),
        ("contexts.0.context.user", "d", "contexts[0].context.user names none of users"),
        ("contexts.0.context", ["c"], "contexts[0].context is missing, or not a mapping"),
        ("users.0.user", "me", "users[0].user is missing, or not a mapping"),
        ("users", [{"name": "u", "user": {}}] * 2, "users[0] and users[1] have the same name"),
        ("clusters.0.cluster.server", None, "clusters[0].cluster.server is missing"),
        ("clusters.0.cluster.server", "10.0.0.1:6443/path", "clusters[0].cluster.server has to be a URL"),
        ("clusters.0.cluster.server", "10.0.0.1:99999", "clusters[0].cluster.server has to be a URL"),
        ("clusters.0.cluster.server", "ftp://host", "clusters[0].cluster.server has to be a URL"),
        ("clusters.0.cluster.server", "https://", "clusters[0].cluster.server has to be a URL"),
        ("clusters.0.cluster.server", "https://h:99999", "clusters[0].cluster.server has to be a URL"),
        ("clusters.0.cluster.server", "https://me:pw@host", "clusters[0].cluster.server has to be an address alone"),
        ("clusters.0.cluster.server", "https://host?a=b", "clusters[0].cluster.server has to be an address alone"),
        ("clusters.0.cluster.server", 6443, "clusters[0].cluster.server has to be text"),
        ("clusters.0.cluster.proxy-url", "socks5://host", "has to be a URL that begins with http:// or https://"),
        ("clusters.0.cluster.insecure-skip-tls-verify", "yes", "has to be true or false"),
        ("clusters.0.cluster.insecure-skip-tls-verify", True, "makes no sense with insecure-skip-tls-verify"),
        ("clusters.0.cluster.certificate-authority-data", "%%%", "certificate-authority-data is not base64"),
        ("clusters.0.cluster.certificate-authority-data", "aGVsbG8=", "is not a PEM certificate"),
        ("clusters.0.cluster.tls-server-name", ["a"], "tls-server-name has to be text"),
        ("users.0.user.token", 123456, "users[0].user.token has to be text: put it into quotes"),
        ("users.0.user.token", "ends\n", "users[0].user.token holds a space, a line break"),
        ("users.0.user.token", "snö", "users[0].user.token holds a space, a line break"),
        ("users.0.user.username", "alice", "users[0].user.password is missing"),
        ("users.0.user.password", "p", "users[0].user.username is missing"),
        ("users.0.user.client-certificate-data", data("client.crt"), "users[0].user.client-key-data is missing"),
        ("users.0.user.client-key-data", data("client.key"), "users[0].user.client-certificate-data is missing"),
    ],
)  # fmt: skip
async def test_a_wrong_field_is_named(path: str, value: Any, message: str) -> None:
    assert message in await refused(change(path, value))


@pytest.mark.parametrize("key", ["server.key", "locked.key", "ca.crt"])
async def test_a_key_that_is_not_the_certificates(key: str) -> None:
    user = {"client-certificate-data": data("client.crt"), "client-key-data": data(key)}
    assert "users[0].user.client-key-data is not the PEM key" in await refused(config(**user))


# ---- no message repeats what was in it --------------------------------------------------------------------------

SECRETS = {
    "server": "https://hidden-host.test:6443",
    "token": "hidden-token-0123456789",
    "password": "hidden-password",
    "username": "hidden-user",
    "name": "hidden-name",
    "tls-server-name": "hidden-sni.test",
    "proxy-url": "http://hidden-proxy:hidden-pw@127.0.0.1:3128",
}
HIDDEN = "hidden-"
EVIL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([[], {}, [HIDDEN], {HIDDEN: HIDDEN}, HIDDEN, f"{HIDDEN}\n", f"\u2028{HIDDEN}", "=" * 7]),
    st.dates(),
)


def hidden_config() -> dict[str, Any]:
    body = config()
    name = SECRETS["name"]
    cluster_of(body).update({key: SECRETS[key] for key in ("server", "tls-server-name", "proxy-url")})
    user = {key: SECRETS[key] for key in ("token", "username", "password")}
    user |= {"client-certificate-data": data("client.crt"), "client-key-data": data("client.key")}
    body["users"][0] = {"name": name, "user": user}
    body["clusters"][0]["name"] = body["contexts"][0]["name"] = body["current-context"] = name
    body["contexts"][0]["context"] = {"cluster": name, "user": name}
    return body


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a kubeconfig."""
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(place for step, below in steps for place in places(below, (*path, step)))]


PLACES = [place for place in places(hidden_config()) if place]
FIELDS = ["exec", "auth-provider", "tokenFile", "client-key", "client-certificate", "certificate-authority", "as",
          "insecure-skip-tls-verify", HIDDEN]  # fmt: skip


@settings(max_examples=examples(150, 3_000))
@given(
    st.lists(st.tuples(st.sampled_from(PLACES), EVIL), max_size=3),
    st.lists(st.tuples(st.sampled_from(["clusters", "users"]), st.sampled_from(FIELDS), EVIL), max_size=2),
    st.tuples(st.integers(0, 3000), st.binary(max_size=3)),
    st.booleans(),
)
async def test_no_message_repeats_what_is_in_a_kubeconfig(
    changes: list[tuple[tuple[Any, ...], Any]],
    more: list[tuple[str, str, Any]],
    garble: tuple[int, bytes],
    trusted: bool,
) -> None:
    body = hidden_config()
    for place, value in changes:
        target: Any = body
        with suppress(KeyError, IndexError, TypeError):
            for step in place[:-1]:
                target = target[step]
            target[place[-1]] = copy.deepcopy(value)
    for plural, field, value in more:
        with suppress(KeyError, IndexError, TypeError, AttributeError):
            body[plural][0][plural[:-1]][field] = value
    content = yaml.safe_dump(body).encode()
    position, junk = garble
    content = content[:position] + junk + content[position:]
    try:
        kubeconfig = parse(content, trusted=trusted)
        if trusted and kubeconfig.fetches_credentials:
            return  # It would run what stands there.
        await (await kubeconfig.connect(request_seconds=1)).close()
    except ClusterError as error:
        message = str(error)
        assert HIDDEN not in message
        assert data("client.key")[:20] not in message
        assert len(message) < 400
        assert message.isprintable()


def test_a_kubeconfig_does_not_show_itself() -> None:
    kubeconfig = parse(yaml.safe_dump(hidden_config()).encode(), trusted=False)
    assert HIDDEN not in repr(kubeconfig) + str(kubeconfig)
