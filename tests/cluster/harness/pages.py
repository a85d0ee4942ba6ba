"""The commands of a how-to, taken from the page itself, so that what a reader copies is what the tests run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

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
    """A page under `docs/`, and the kubeconfig with which its commands run."""

    name: str
    kubeconfig: Path

    def sections(self) -> dict[str, list[str]]:
        """Return the blocks of commands by the heading they stand under."""
        text = (ROOT / "docs" / self.name).read_text()
        parts = re.split(r"^#+ (.*)$", text, flags=re.M)
        return {title: BLOCK.findall(body) for title, body in zip(parts[1::2], parts[2::2], strict=True)}

    def run(self, title: str) -> str:
        """Run the commands under a heading as a reader would, from the root of the repository; return what they print.

        Raises AssertionError where one of them fails, or where there are none.
        """
        blocks = self.sections()[title]
        assert blocks, f"{self.name}: no commands under {title!r}"
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(blocks)],
            cwd=ROOT,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{self.name}, {title}:\n{done.stdout}{done.stderr}"
        return done.stdout
