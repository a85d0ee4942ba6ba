"""All kinds, in the order in which they are loaded: what others refer to comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from headgate.controllers.clusterpool import CLUSTERPOOLS
from headgate.controllers.computeenvironment import COMPUTEENVIRONMENTS
from headgate.controllers.jobqueue import JOBQUEUES
from headgate.controllers.schedulingpolicy import SCHEDULINGPOLICIES

if TYPE_CHECKING:
    from headgate.controllers.kind import Kind

KINDS: Final[tuple[Kind[Any], ...]] = (CLUSTERPOOLS, COMPUTEENVIRONMENTS, SCHEDULINGPOLICIES, JOBQUEUES)
