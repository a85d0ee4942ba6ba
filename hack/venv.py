"""Makes the virtual environment: nothing in it that requirements-dev.lock does not name with its hash.

Run by `make` with whatever Python the machine has, so only the standard library and nothing newer than 3.8 is used up
to the check of its version. The stamp is written last: without it, what an interrupted run left is thrown away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, "stamp")
LOCKED = "requirements-dev.lock"
PROJECT = "pyproject.toml"
OLDEST = (3, 11)
NAMES = ("python3.13", "python3.12", "python3.11", "python3.14")


def main() -> None:
    """Make it, or bring it up to date; one at a time."""
    if sys.version_info < OLDEST:
        another_python()
    os.makedirs(VENV, exist_ok=True)
    with open(os.path.join(VENV, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = os.path.join(ROOT, LOCKED)
        newest = max(os.path.getmtime(os.path.join(ROOT, name)) for name in (LOCKED, PROJECT))
        if os.path.exists(STAMP) and os.path.getmtime(STAMP) >= newest:
            return  # somebody else made it while we waited
        if os.path.exists(STAMP):
            os.unlink(STAMP)
        else:
            clear()
        say("making .venv from " + LOCKED + " (once; a minute or two)")
        run([sys.executable, "-m", "venv", VENV])
        python = os.path.join(VENV, "bin", "python")
        pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        run([*pip, "--require-hashes", "--only-binary=:all:", "--requirement", wanted])
        run([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT])
        with open(STAMP, "w") as stamp:
            stamp.write(sys.version + "\n")


def another_python() -> None:
    """Go on with a newer Python if the machine has one."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            os.execv(found, [found, os.path.abspath(__file__)])
    sys.exit("Python 3.11 or newer is needed, this is {}.{}: make PYTHON=...".format(*sys.version_info[:2]))


def clear() -> None:
    """Remove what an interrupted run left, but for the lock that is held."""
    for name in os.listdir(VENV):
        path = os.path.join(VENV, name)
        if name == "lock":
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)


def run(command: list[str]) -> None:
    """Run a command with its output on stderr; end with what to do about it when it fails."""
    code = subprocess.call(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    if code:
        hint = ""
        if command[1:3] == ["-m", "venv"]:
            hint = "\nOn Debian and Ubuntu the package python3-venv is needed for this."
        sys.exit("failed: {}{}".format(" ".join(command[:5]), hint))


def say(message: str) -> None:
    """Tell the user something; stdout is kept for what programs read."""
    sys.stderr.write("headgate: " + message + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
