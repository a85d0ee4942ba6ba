"""`headgate queue edit`: read, edit, replace whole.

An edit is never lost: what cannot be saved opens again with the reason on top, and what is given up stays in its file.
"""

import difflib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Self

import typer

from headgate.api.jobqueue import JobQueue
from headgate.cli.editor import edit
from headgate.cli.errors import Problem, describe
from headgate.cli.manifests import read_manifest
from headgate.cli.options import Writing
from headgate.cli.output import documents
from headgate.cli.output.documents import Json, manifest_of, to_yaml
from headgate.cli.queue.names import QueueName
from headgate.cli.verb import Session, verb
from headgate.client import AsyncClient, ConflictError, HeadgateError

HELP: Final = """\
Please edit the queue below. Lines that begin with '#' are ignored, and an empty
file cancels the edit. If it cannot be saved, this file opens again with the reason.
"""
ENCODING: Final = "utf-8"
"""Of the file, whatever the locale: so is YAML, and editors know."""
NOT_EDITED: Final = ("uid", "generation", "creationTimestamp", "resourceVersion")
"""Metadata that the API server alone decides."""


@verb()
async def edit_queue(
    session: Session,
    name: QueueName,
    *,
    output: Annotated[
        documents.Document | None,
        typer.Option("--output", "-o", show_default=False, help="Print the object, not what was done."),
    ] = None,
) -> None:
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
    attempt = _Edit(session.client, version, Path(path))
    try:
        saved = await attempt.run()
    except BaseException:
        if attempt.is_edited:
            typer.echo(f"A copy of your changes has been stored to {path}", err=True)
        else:
            attempt.forget()
        raise
    attempt.forget()
    if saved is not None:
        Writing(output=output).report(manifest_of(saved), "edited")
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
        body = read_manifest(text)
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
        self._given = ""

    @property
    def is_edited(self) -> bool:
        """Whether the file is not as it was given to the editor."""
        return self._file.exists() and self._file.read_bytes() != self._given.encode()

    def forget(self) -> None:
        """Remove the file."""
        self._file.unlink(missing_ok=True)

    async def run(self) -> JobQueue | None:
        """Return the queue as it was saved, None if it was not; raises what is wrong when the user gives up."""
        text = self._version.text
        wrong: HeadgateError | Problem | None = None
        while True:
            given = _comments(wrong) + text
            self._file.write_text(given, encoding=ENCODING)
            # Of an edit that was refused before, all of it.
            self._given = given if wrong is None else ""
            edit(self._file)
            saved = self._read()
            before, text = (
                text,
                "".join(line for line in saved.splitlines(keepends=True) if not line.startswith("#")),
            )
            if not text.strip():
                return None
            if saved == given if isinstance(wrong, _OvertakenError) else text in (before, self._version.text):
                if wrong:
                    raise wrong
                return None
            try:
                return await self._save(text)
            except (HeadgateError, Problem) as error:
                wrong = error

    def _read(self) -> str:
        try:
            return self._file.read_text(encoding=ENCODING)
        except (OSError, UnicodeDecodeError) as error:
            raise Problem(f"{self._file}: {error}") from error

    async def _save(self, text: str) -> JobQueue:
        while True:
            try:
                return await self._client.queues.replace(self._version.edited(text))
            except ConflictError:
                before = self._version
                self._version = await _Version.read(self._client, before.manifest["metadata"]["name"])
                # Otherwise only the status has changed, which is not edited.
                if self._version.text != before.text:
                    raise _OvertakenError(before.text, self._version.text) from None


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
