"""What a result was measured on: without it a figure says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import ROOT


def describe() -> dict[str, Any]:
    """Return the machine, the versions, the commit, and how busy the machine is right now."""
    return {
        "cpu": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(int((_field("/proc/meminfo", "MemTotal") or "0").split()[0]) * 1024 / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: version(name) for name in ("aiohttp", "kopf", "kubernetes", "orjson", "uvloop")},
        "commit": _git("rev-parse", "--short", "HEAD"),
        "uncommitted_changes": sorted(
            line[3:]
            for line in _git("status", "--porcelain", "--", "operator", "charts", "bench").splitlines()
        ),
        "load_average_before": os.getloadavg()[0],
    }


def _field(path: str, name: str) -> str | None:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.rstrip()
