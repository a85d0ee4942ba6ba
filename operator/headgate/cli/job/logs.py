"""`headgate job logs`."""

from typing import TYPE_CHECKING, Annotated

import typer

from headgate.cli.durations import read_since
from headgate.cli.errors import Problem
from headgate.cli.job.names import JobName
from headgate.cli.verb import Session, verb
from headgate.client import STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headgate.client import JobInfo, JobPod


@verb(namespaced=True)
async def print_logs(
    session: Session,
    name: JobName,
    *,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written, until it has ended.")
    ] = False,
    all_pods: Annotated[bool, typer.Option("--all-pods", help="Of all Pods; sets --prefix.")] = False,
    pod: Annotated[
        str | None, typer.Option(metavar="NAME", show_default=False, help="Of this Pod of the Job.")
    ] = None,
    container: Annotated[
        str | None,
        typer.Option("--container", "-c", metavar="NAME", show_default=False, help="Of this container."),
    ] = None,
    all_containers: Annotated[bool, typer.Option("--all-containers", help="Of all containers.")] = False,
    tail: Annotated[
        int | None,
        typer.Option(min=-1, metavar="LINES", show_default=False, help="So many at the end; -1: all."),
    ] = None,
    since: Annotated[
        float | None,
        typer.Option(
            parser=read_since, metavar="AGE|TIME", show_default=False, help="Only what is newer: 5m."
        ),
    ] = None,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", help="With the time at which each line was written.")
    ] = False,
    previous: Annotated[
        bool, typer.Option("--previous", "-p", help="Of the container before it was started again.")
    ] = False,
    prefix: Annotated[
        bool, typer.Option("--prefix", help="Begin each line with its Pod and container.")
    ] = False,
) -> None:
    """Print what a Job's Pods write.

    Of several Pods it is the newest that runs, or else the newest. With --follow a Job that waits is waited for, and
    with --all-pods, Pods that come later are followed as well, until the Job is finished. Init containers can be read
    while they run, or crash: without --container, and without --follow, as long as the main one has not started. The
    Pods of a Job in a pool of remote clusters are in the cluster that it went to, and so are their logs.

    For example:
      headgate job logs train -f
      headgate job logs train --all-pods --tail 20 --since 1h
    """
    if all_pods and pod:
        raise typer.BadParameter("give --all-pods or --pod, not both")
    if container and all_containers:
        raise typer.BadParameter("give --container or --all-containers, not both")
    jobs = session.client.jobs
    job = await jobs.get(name)
    if job.state in STATES["pending"]:
        _say_that_it_waits(job, follow=follow)
    if not all_pods:
        pods = await jobs.pods(job.id, wait=follow, container=container, all_containers=all_containers)
        chosen = pod or _choose(pods)
        container = container or (None if all_containers else _default_container(pods, chosen))
        pod = chosen
    lines = jobs.logs(
        job.id,
        pod=pod,
        container=container,
        all_containers=all_containers,
        follow=follow,
        tail=None if tail == -1 else tail,
        since=since or 0.0,
        timestamps=timestamps,
        previous=previous,
    )
    async for line in lines:
        typer.echo(f"[pod/{line.pod}/{line.container}] {line.text}" if prefix or all_pods else line.text)


def _say_that_it_waits(job: "JobInfo", *, follow: bool) -> None:
    """Tell where a Job is that has no Pods yet; raises `Problem` unless it is waited for."""
    words = f"job.batch/{job.name} waits in queue {job.queue}"
    why = f"headgate job why {job.name} -n {job.namespace}"
    if not follow:
        raise Problem(f"{words} and has no Pods yet; what holds it: {why}; to wait for it: --follow")
    typer.echo(f"{words}; what holds it: {why}", err=True)


def _choose(pods: "Sequence[JobPod]") -> str:
    """Return the newest Pod that runs, or else the newest; say so where there are others."""
    newest = [pod for pod in pods if pod.phase in ("Pending", "Running")][-1:] or pods[-1:]
    if len(pods) > 1:
        typer.echo(
            f"Found {len(pods)} Pods, using pod/{newest[0].name}; for all of them: --all-pods", err=True
        )
    return newest[0].name


def _default_container(pods: "Sequence[JobPod]", name: str) -> str | None:
    """Return the container that is meant where none was named; say so where there are others."""
    for pod in pods:
        if pod.name == name:
            if len(pod.containers) > 1:
                told = f'Defaulted container "{pod.main}" out of: {", ".join(pod.containers)}'
                typer.echo(told, err=True)
            return pod.main
    return None
