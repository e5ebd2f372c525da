"""What one venue of the generated world lists at a moment: its rows, made once and kept while they are shown."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from local.kalshi_wire import Body
from local.noise import Ints
from local.world_columns import Columns
from local.world_families import SLOT_S

if TYPE_CHECKING:
    from local.world import GeneratedWorld, Listed, Round


class EventRow(Protocol):
    @property
    def markets(self) -> tuple[Any, ...]: ...


E = TypeVar("E", bound=EventRow)
M = TypeVar("M")
L = TypeVar("L", bound="Listing[Any, Any]")


@dataclass
class Listing(Generic[E, M]):
    family: Ints
    number: Ints
    events: list[E]
    markets: list[M]
    event_of: dict[str, E]
    market_of: dict[str, M]


@dataclass(frozen=True, slots=True)
class Seat:
    """A market's place: which of its round's markets it is."""

    rnd: "Round"
    j: int

    @property
    def name(self) -> tuple[int, int, int]:
        return self.rnd.family.index, self.rnd.number, self.j


class GeneratedVenue(ABC, Generic[E, M, L]):
    venue: ClassVar[str]

    def __init__(self, world: "GeneratedWorld") -> None:
        self.world = world
        self.families = world.families[self.venue]
        self.key_span = 10 ** len(str(len(self.families)))
        self._rows: dict[tuple[int, int], E] = {}
        self._heads: dict[tuple[int, int], Body] = {}
        self._still: dict[tuple[int, int, int], str] = {}
        self._listing: L | None = None

    @abstractmethod
    def _make_row(self, rnd: "Round", closes: list[int], keys: list[int]) -> E:
        """A round's event with its markets; `closes` and `keys` are theirs."""

    @abstractmethod
    def _make_listing(self, listed: "Listed", events: list[E], markets: list[M]) -> L: ...

    def listing(self, now: datetime) -> L:
        slot = int(now.timestamp()) // SLOT_S
        listed = self.world.listed(self.venue, slot)
        if self._listing is None or self._listing.family is not listed.family:
            names = list(zip(listed.family.tolist(), listed.number.tolist(), strict=True))
            missing = [place for place, name in enumerate(names) if name not in self._rows]
            if missing:
                self._new_rows(listed.family, listed.number, missing)
            self._forget(set(names))
            self.world.forget_before(slot)
            events = [self._rows[name] for name in names]
            markets = [market for event in events for market in event.markets]
            self._listing = self._make_listing(listed, events, markets)
        return self._listing

    def _new_rows(self, family: Ints, number: Ints, missing: list[int]) -> None:
        """The rows of rounds that were not listed before, their closing times and keys computed together."""
        from local.world import Round

        where = np.array(missing, dtype=np.int64)
        columns = Columns(self.world, self.world.tables[self.venue], family[where], number[where])
        closes, keys, first = columns.closes.tolist(), columns.key.tolist(), columns.first.tolist()
        for n, place in enumerate(missing):
            index, generation = int(family[place]), int(number[place])
            rnd = Round(self.world, self.families[index], generation)
            part = slice(first[n], first[n + 1])
            self._rows[index, generation] = self._make_row(rnd, closes[part], keys[part])

    def _forget(self, shown: set[tuple[int, int]]) -> None:
        for store in (self._rows, self._heads):
            for name in [name for name in store if name not in shown]:
                del store[name]
        for seat in [seat for seat in self._still if seat[:2] not in shown]:
            del self._still[seat]

    def event_rows(self, now: datetime) -> Sequence[E]:
        return self.listing(now).events

    def market_rows(self, now: datetime) -> Sequence[M]:
        return self.listing(now).markets

    def find_event(self, name: str, now: datetime) -> E | None:
        row: E | None = self.listing(now).event_of.get(name)
        return row

    def find_market(self, name: str, now: datetime) -> M | None:
        row: M | None = self.listing(now).market_of.get(name)
        return row
