"""What Headgate costs and how fast it is, beside a loop that does nothing but PATCH: `python -m bench`.

Run from the root of the repository. The figures that count are ratios of two things measured in turn in one run, on
one control plane, because machines differ and are busy.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]

# The control plane is a tool of this repository, not a package that is installed.
sys.path.append(str(ROOT / "hack" / "controlplane"))
