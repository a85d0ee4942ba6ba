"""ClusterPools."""

from __future__ import annotations

from typing import Final

from headgate.api.clusterpool import KIND, ClusterPool
from headgate.controllers.kind import Kind
from headgate.engine.notices import pool_notices
from headgate.engine.status import pool_status

CLUSTERPOOLS: Final = Kind(
    model=ClusterPool,
    plural=KIND.plural,
    records=lambda engine: engine.pools,
    changed=lambda engine, resource, _now: engine.pool_changed(resource),
    gone=lambda engine, name, _now: engine.pool_gone(name),
    broken=lambda engine, name, message: engine.pool_broken(name, message),
    dirty=lambda engine: engine.dirty_pools,
    status=lambda engine, name, now: pool_status(engine.pools[name], engine.occupancy, now),
    notices=pool_notices,
)
