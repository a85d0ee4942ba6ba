"""A recorder around a test: what it saw is checked when the test is done."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.cluster.harness.invariants import violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.harness.recorder import Recorder


@contextmanager
def watched(recorder: Recorder, *, may_relist: bool = False) -> Iterator[Recorder]:
    """Record until the end, then check the invariants."""
    recorder.may_relist = may_relist
    recorder.start()
    try:
        yield recorder
        wrong = violations(recorder.record(), mangled=recorder.mangled)
        assert not wrong, "\n".join(wrong[:20])
    finally:
        recorder.stop()
