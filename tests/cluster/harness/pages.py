"""The commands of a how-to, taken from the page itself, so that what a reader copies is what the tests run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from controlplane import tool

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)


def kubeconfig_in(kubeconfig: Path, namespace: str, target: Path) -> Path:
    """Write a kubeconfig whose current context is in a namespace, as a page supposes that names none."""
    config = yaml.safe_load(kubeconfig.read_text())
    (named,) = [one for one in config["contexts"] if one["name"] == config["current-context"]]
    named["context"]["namespace"] = namespace
    target.write_text(yaml.safe_dump(config))
    return target


@dataclass(frozen=True)
class Page:
    """A page under `docs/`, the kubeconfig with which its commands run, and the folder in which they do."""

    name: str
    kubeconfig: Path
    folder: Path = ROOT

    def text(self) -> str:
        """Return the page as it stands."""
        return (ROOT / "docs" / self.name).read_text()

    def sections(self) -> dict[str, list[str]]:
        """Return the blocks of commands by the heading they stand under."""
        parts = re.split(r"^#+ (.*)$", self.text(), flags=re.M)
        return {title: BLOCK.findall(body) for title, body in zip(parts[1::2], parts[2::2], strict=True)}

    def run(self, title: str) -> str:
        """Run the commands under a heading as a reader would; return what they print.

        Raises AssertionError where one of them fails, or where there are none.
        """
        blocks = self.sections()[title]
        assert blocks, f"{self.name}: no commands under {title!r}"
        return self.shell("\n".join(blocks), f"{self.name}, {title}")

    def command(self, *words: str) -> str:
        """Run a command that is not on the page, likewise."""
        return self.shell(shlex.join(words), words[0])

    def shell(self, script: str, what: str) -> str:
        """Run a script; raises AssertionError, which says what was run, where a command fails."""
        programs = [Path(sys.executable).parent, tool("helm").parent]
        path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{what}:\n{done.stdout}{done.stderr}"
        return done.stdout


class Operations(Page):
    """The operations page, whose reader has values in a file, and leaves a back-up in a folder."""

    @classmethod
    def prepare(cls, kubeconfig: Path, folder: Path, **values: Any) -> Self:
        """Make a folder, or use it again: like the root of the repository, with the values of the page and these."""
        for name in ("charts", "examples"):
            if not (folder / name).exists():
                (folder / name).symlink_to(ROOT / name)
        page = cls("operations.md", kubeconfig, folder)
        (block,) = re.findall(r"^```yaml\n(.*?)^```", page.text(), re.M | re.S)
        written = yaml.safe_load(block.replace("<your registry>", ""))
        written["image"] |= values.pop("image", {})
        (folder / "headgate-values.yaml").write_text(yaml.safe_dump({**written, **values}))
        return page
