"""How much the property tests try: the same few cases each time, or other ones each time, and many.

`make test` says the same of a commit each time; HYPOTHESIS_PROFILE=thorough looks for what nobody has thought of.
"""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

THOROUGH: Final = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


def load() -> None:
    """Make it what all property tests of this process begin with."""
    settings.register_profile(
        "headgate",
        deadline=None,
        derandomize=not THOROUGH,
        database=None,
        print_blob=True,
        suppress_health_check=[
            HealthCheck.too_slow,
            HealthCheck.data_too_large,
            HealthCheck.large_base_example,
        ],
    )
    settings.load_profile("headgate")


def examples(usual: int, thorough: int) -> int:
    """Return how many cases a test tries."""
    return thorough if THOROUGH else usual
