"""`headgate queue edit`: read, edit, replace whole.

An edit is never lost: what cannot be saved opens again with the reason on top, and what is given up stays in its file.
"""

import difflib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import typer
import yaml

from headgate.cli.editor import edit
from headgate.cli.errors import Problem, describe
from headgate.cli.output.documents import Json, resource_name, to_yaml
from headgate.cli.queue.names import QueueName
from headgate.cli.verb import Session, verb
from headgate.client import AsyncClient, ConflictError, HeadgateError

HELP: Final = """\
Please edit the queue below. Lines that begin with '#' are ignored, and an empty
file cancels the edit. If it cannot be saved, this file opens again with the reason.
"""
NOT_EDITED: Final = ("uid", "generation", "creationTimestamp", "resourceVersion")
"""Metadata that the API server alone decides."""


@verb()
async def edit_queue(session: Session, name: QueueName) -> None:
    """Change a queue in your editor.

    The queue opens as YAML in KUBE_EDITOR, EDITOR, VISUAL or vi, and replaces the queue whole when it is saved. If it
    is refused, or if somebody else has changed the queue meanwhile, it opens again with the reason on top. Save it
    unchanged to give up: the edit stays in its file.

    For example:
      headgate queue edit nightly
      EDITOR='code --wait' headgate queue edit nightly
    """
    version = await _Version.read(session.client, name)
    handle, path = tempfile.mkstemp(prefix=f"headgate-edit-{name}-", suffix=".yaml")
    os.close(handle)
    file = Path(path)
    try:
        saved = await _Edit(session.client, version, file).run()
    except BaseException:
        typer.echo(f"A copy of your changes has been stored to {file}", err=True)
        raise
    os.unlink(file)
    if saved:
        typer.echo(f"{resource_name(version.manifest)} edited")
    else:
        typer.echo("Edit cancelled, no changes made.", err=True)


@dataclass(frozen=True)
class _Version:
    """A queue as it was read, and what of it can be edited."""

    manifest: Json
    text: str

    @classmethod
    async def read(cls, client: AsyncClient, name: str) -> Self:
        manifest = await client.queues.get_manifest(name)
        metadata = {key: value for key, value in manifest["metadata"].items() if key not in NOT_EDITED}
        body = {key: value for key, value in manifest.items() if key != "status"}
        return cls(manifest, to_yaml({**body, "metadata": metadata}))

    def edited(self, text: str) -> Json:
        """Return the queue as the text says, of the version that was read; raises `Problem`."""
        try:
            body = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise Problem(f"this is not YAML: {error}") from error
        name = self.manifest["metadata"]["name"]
        metadata = body.get("metadata") if isinstance(body, dict) else None
        if not isinstance(metadata, dict) or metadata.get("name") != name:
            raise Problem(f"metadata.name: must stay {name!r}: a queue is not renamed, create another one")
        kept = {key: self.manifest["metadata"][key] for key in ("uid", "resourceVersion")}
        return {**body, "metadata": {**metadata, **kept}}


class _Edit:
    """An edit until it is saved or given up."""

    def __init__(self, client: AsyncClient, version: _Version, file: Path) -> None:
        self._client = client
        self._version = version
        self._file = file

    async def run(self) -> bool:
        """Return whether something was saved; raises what is wrong with it when the user gives up."""
        text = self._version.text
        wrong: HeadgateError | Problem | None = None
        while True:
            given = _comments(wrong) + text
            self._file.write_text(given)
            edit(self._file)
            saved = self._file.read_text()
            before, text = (
                text,
                "".join(line for line in saved.splitlines(keepends=True) if not line.startswith("#")),
            )
            if not text.strip():
                return False
            if saved == given if isinstance(wrong, _OvertakenError) else text in (before, self._version.text):
                if wrong:
                    raise wrong
                return False
            try:
                await self._save(text)
            except (HeadgateError, Problem) as error:
                wrong = error
            else:
                return True

    async def _save(self, text: str) -> None:
        while True:
            try:
                await self._client.queues.replace(self._version.edited(text))
            except ConflictError:
                before = self._version
                self._version = await _Version.read(self._client, before.manifest["metadata"]["name"])
                # Otherwise only the status has changed, which is not edited.
                if self._version.text != before.text:
                    raise _OvertakenError(before.text, self._version.text) from None
            else:
                return


class _OvertakenError(Problem):
    """Somebody else has changed the queue since it was read."""

    def __init__(self, before: str, now: str) -> None:
        lines = difflib.unified_diff(before.splitlines(), now.splitlines(), "when you opened it", "now", n=0)
        super().__init__(
            "somebody else has changed the queue meanwhile, see below. Put into your edit\n"
            "what you want to keep of it; to save your edit as it is, delete this comment.\n"
            + "\n".join(line.rstrip() for line in lines)
        )


def _comments(wrong: HeadgateError | Problem | None) -> str:
    text = HELP + (f"\n{describe(wrong)}\n" if wrong else "")
    return "".join(f"# {line}".rstrip() + "\n" for line in [*text.splitlines(), ""])
