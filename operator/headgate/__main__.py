"""`headgate-operator`: the operator's command line."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Literal
from uuid import uuid4

import typer
import uvloop
from kubernetes.aio.config import ConfigException

from headgate import __version__
from headgate.kube.client import Api
from headgate.runtime.leader import Timing
from headgate.runtime.operator import Operator
from headgate.runtime.settings import Settings
from headgate.telemetry import logs

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.command(help="Run the Headgate operator until it is told to stop (SIGTERM).")
def run(
    *,
    lease_name: Annotated[
        str,
        typer.Option(envvar="HEADGATE_LEASE_NAME", help="The Lease by which replicas elect their leader."),
    ] = "headgate",
    lease_namespace: Annotated[
        str,
        typer.Option(
            envvar=["HEADGATE_LEASE_NAMESPACE", "POD_NAMESPACE"], help="The namespace of the Lease."
        ),
    ] = "default",
    identity: Annotated[
        str,
        typer.Option(envvar="HEADGATE_IDENTITY", help="Its name in the Lease, if not the Pod's."),
    ] = "",
    lease_duration_seconds: Annotated[
        int,
        typer.Option(
            envvar="HEADGATE_LEASE_DURATION_SECONDS",
            min=1,
            help="How long the others wait for a leader that does not renew the Lease.",
        ),
    ] = Timing().lease_duration,
    renew_deadline_seconds: Annotated[
        float,
        typer.Option(
            envvar="HEADGATE_RENEW_DEADLINE_SECONDS",
            help="How long a leader tries to renew the Lease before it steps down.",
        ),
    ] = Timing().renew_deadline,
    retry_period_seconds: Annotated[
        float,
        typer.Option(
            envvar="HEADGATE_RETRY_PERIOD_SECONDS",
            min=0.1,
            help="How often a leader renews the Lease, and the others look at it.",
        ),
    ] = Timing().retry_period,
    kubeconfig: Annotated[
        str, typer.Option(envvar="KUBECONFIG", help="The kubeconfig to use; in a Pod none is needed.")
    ] = "",
    context: Annotated[
        str, typer.Option(envvar="HEADGATE_CONTEXT", help="The context of the kubeconfig.")
    ] = "",
    metrics_host: Annotated[
        str,
        typer.Option(
            envvar="HEADGATE_METRICS_HOST",
            help="The address for /metrics, /healthz and /readyz; empty for all, of IPv4 and IPv6.",
        ),
    ] = "",
    metrics_port: Annotated[
        int, typer.Option(envvar="HEADGATE_METRICS_PORT", help="The port for them; 0 for any that is free.")
    ] = 8080,
    policy_prefix: Annotated[
        str,
        typer.Option(
            envvar="HEADGATE_POLICY_PREFIX",
            help="How the names of the chart's admission policies begin; empty where there are none to bind.",
        ),
    ] = "",
    create_defaults: Annotated[
        bool,
        typer.Option(
            envvar="HEADGATE_CREATE_DEFAULTS", help='Create the pool and queue "default" if missing.'
        ),
    ] = False,
    member_probe_seconds: Annotated[
        float,
        typer.Option(
            envvar="HEADGATE_MEMBER_PROBE_SECONDS",
            min=0.1,
            help="How often a remote cluster is asked how it is, and how long it may take to answer.",
        ),
    ] = 5.0,
    trust_kubeconfigs: Annotated[
        bool,
        typer.Option(
            envvar="HEADGATE_TRUST_KUBECONFIGS",
            help="Let the kubeconfigs of remote clusters have programs run and files read in here.",
        ),
    ] = False,
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        typer.Option(envvar="HEADGATE_LOG_LEVEL", help="What to log."),
    ] = "info",
    log_format: Annotated[
        Literal["json", "text"], typer.Option(envvar="HEADGATE_LOG_FORMAT", help="How to log it.")
    ] = "json",
    version: Annotated[
        bool, typer.Option("--version", callback=lambda value: _version(wanted=value), is_eager=True)
    ] = False,
) -> None:
    """Read the settings and run."""
    settings = Settings(
        lease_name=lease_name,
        lease_namespace=lease_namespace,
        # A name of its own for each process: one that restarts in the same Pod is another candidate.
        identity=identity or f"{os.environ.get('POD_NAME') or os.uname().nodename}_{uuid4().hex[:8]}",
        timing=_timing(lease_duration_seconds, renew_deadline_seconds, retry_period_seconds),
        kubeconfig=kubeconfig or None,
        context=context or None,
        metrics_host=metrics_host,
        metrics_port=metrics_port,
        policy_prefix=policy_prefix or None,
        create_defaults=create_defaults,
        member_probe_seconds=member_probe_seconds,
        trust_kubeconfigs=trust_kubeconfigs,
        log_level=log_level,
        log_format=log_format,
    )
    logs.set_up(settings.log_level, settings.log_format)
    uvloop.run(_run(settings))


def _timing(lease_duration: int, renew_deadline: float, retry_period: float) -> Timing:
    if renew_deadline >= lease_duration:
        raise typer.BadParameter(
            f"--renew-deadline-seconds is {renew_deadline:g}, and --lease-duration-seconds {lease_duration}: it must "
            "be less, for a leader to step down before another one may take over"
        )
    if retry_period >= renew_deadline:
        raise typer.BadParameter(
            f"--retry-period-seconds is {retry_period:g}, and --renew-deadline-seconds {renew_deadline:g}: it must be "
            "less, for a leader to try to renew the Lease before it steps down"
        )
    return Timing(lease_duration, renew_deadline, retry_period)


async def _run(settings: Settings) -> None:
    try:
        api = await Api.connect(settings.kubeconfig, settings.context)
    except ConfigException as error:
        sys.exit(f"headgate-operator: no cluster to talk to: {error}. Give --kubeconfig, or run in a Pod.")
    await Operator(api, settings).run()


def main() -> None:
    """Entry point of `headgate-operator`."""
    app()


if __name__ == "__main__":
    main()
