"""What the edge does with the objects of a kind: a row a kind, one shape for all of them."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

from pydantic import ValidationError

from headgate.api.meta import Resource, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from headgate.api.meta import Model
    from headgate.controllers.context import Context
    from headgate.engine.decisions import Notice, ResourceKind
    from headgate.engine.engine import Engine

logger = logging.getLogger(__name__)

R = TypeVar("R", bound=Resource)
R_co = TypeVar("R_co", bound=Resource, covariant=True)


class Record(Protocol[R_co]):
    """What the engine keeps under a name, with or without an object of that name."""

    @property
    def resource(self) -> R_co | None:
        """The object, None while there is none."""


@dataclass(frozen=True, kw_only=True)
class Kind(Generic[R]):
    """How the engine hears of the objects of a kind, and what it has to say about them.

    `now` is in seconds since the epoch where the engine is told something, and an RFC 3339 time for a status.
    """

    model: type[R]
    plural: str
    records: Callable[[Engine], Mapping[str, Record[R]]]
    """What the engine keeps, by name."""
    changed: Callable[[Engine, R, float], None]
    gone: Callable[[Engine, str, float], None]
    broken: Callable[[Engine, str, str], None]
    """Its newest version makes no sense, with the reason."""
    dirty: Callable[[Engine], dict[str, None]]
    """The names of those whose status may have changed; who writes them takes them out."""
    status: Callable[[Engine, str, str], Model]
    """What the status of a known object should say."""
    notices: Callable[[R, Any], list[Notice]]
    """What to tell of an object whose status changes to another."""
    writing: Callable[[Engine, str], AbstractContextManager[None]] = lambda _engine, _name: nullcontext()
    """What surrounds the write of a status."""
    appeared: Callable[[Context, R], None] = lambda _context, _resource: None
    """What else is to be done when the watch shows a version of an object."""
    vanished: Callable[[Context, str], None] = lambda _context, _name: None
    """What else is to be done when an object was deleted."""

    @property
    def name(self) -> ResourceKind:
        """The kind's name."""
        return cast("ResourceKind", self.model.__name__)

    def known(self, engine: Engine, name: str) -> R | None:
        """Return the object of a name as the engine knows it."""
        record = self.records(engine).get(name)
        return record.resource if record else None

    def knows(self, engine: Engine, resource: R) -> bool:
        """Tell whether the engine knows this very object, in whatever version, and not another one of its name."""
        known = self.known(engine, resource.metadata.name)
        return known is not None and known.metadata.uid == resource.metadata.uid

    def all_known(self, engine: Engine) -> list[R]:
        """Return every object that the engine knows."""
        return [record.resource for record in self.records(engine).values() if record.resource is not None]

    def take(self, raw: Mapping[str, Any], context: Context, *, deleted: bool = False) -> None:
        """Take in an object's JSON. One that makes no sense is reported on itself and stops nothing else."""
        name, engine = raw["metadata"]["name"], context.engine
        known = self.known(engine, name)
        if known is not None and known.metadata.uid != raw["metadata"]["uid"]:
            if deleted or int(raw["metadata"]["resourceVersion"]) < int(known.metadata.resource_version):
                # What is known was created after this one had gone.
                return
            self.lose(name, context)
        if deleted:
            self.lose(name, context)
            return
        try:
            resource = self.model.parse(raw)
        except ValidationError as error:
            logger.warning("%s %s makes no sense: %s", self.name, name, explain(error))
            context.metrics.unreadable.inc()
            self.broken(engine, name, explain(error))
        else:
            self.changed(engine, resource, context.clock())
            self.appeared(context, resource)
        context.changed()

    def lose(self, name: str, context: Context) -> None:
        """Take in that an object was deleted."""
        self.gone(context.engine, name, context.clock())
        self.vanished(context, name)
        context.changed()
