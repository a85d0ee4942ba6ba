"""Which handler hears of what: the wiring to kopf, without its finalizers and annotations.

Only `on.event` is used. kopf's other handlers keep their state in annotations of the object, and a queue's status is
all the state that Headgate wants there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kopf

from headgate.api.names import GROUP, VERSION
from headgate.controllers.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from headgate.controllers.context import Context
    from headgate.controllers.kind import Kind
    from headgate.kube.client import Api


def registry_for(
    api: Api,
    *,
    start: Callable[[], Awaitable[None]],
    stop: Callable[[], Awaitable[None]],
    listed: Callable[[], None],
) -> kopf.OperatorRegistry:
    """Return the handlers.

    Parameters
    ----------
    api
        Whose credentials kopf uses, too.
    start
        Runs before kopf watches anything. When it fails, so does the operator: half of a start is none.
    stop
        Runs after kopf has ceased to watch.
    listed
        Is called for what a list shows, which tells nothing of what it does not.
    """
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        configuration = api.configuration
        authorization = (await api.authorization()).get("authorization", "")
        scheme, _space, token = authorization.partition(" ")
        ca_data = configuration.ca_cert_data
        return kopf.ConnectionInfo(
            server=configuration.host,
            ca_path=configuration.ssl_ca_cert,
            ca_data=ca_data,
            insecure=not configuration.verify_ssl,
            scheme=scheme or None,
            token=token or None,
            certificate_path=configuration.cert_file,
            private_key_path=configuration.key_file,
        )

    @kopf.on.startup(registry=registry, errors=kopf.ErrorsMode.PERMANENT)
    async def on_startup(settings: kopf.OperatorSettings, **_: object) -> None:
        settings.posting.enabled = False
        settings.networking.request_timeout = 30
        settings.watching.server_timeout = 290
        settings.process.ultimate_exiting_timeout = None
        await start()

    @kopf.on.cleanup(registry=registry)
    async def on_cleanup(**_: object) -> None:
        await stop()

    for kind in KINDS:
        _follow(registry, kind, listed)
    return registry


def _follow(registry: kopf.OperatorRegistry, kind: Kind[Any], listed: Callable[[], None]) -> None:
    @kopf.on.event(GROUP, VERSION, kind.plural, registry=registry, id=kind.plural)
    async def on_event(event: kopf.RawEvent, memo: Context, **_: object) -> None:
        if event["type"] is None:
            listed()
        kind.take(event["object"], memo, deleted=event["type"] == "DELETED")
