"""Numbers that are counted while the gateway works: counters, gauges and histograms, each with few series.

Names, units and labels are those of OpenTelemetry; Prometheus is given what its rules make of them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, TypeVar

Labels = tuple[str, ...]
Unit = Literal["", "s", "By", "USD", "{token}", "%"]

MOST_VALUES = 100
"""Values that one label may have; more than that are counted as `OTHER`."""
LONGEST_VALUE = 200
"""Characters of a value; a longer one counts as `OTHER`: cut, it might end with the beginning of a secret."""
OTHER = "other"


class Family:
    """A metric and its series, one for each combination of values that its `labels` had."""

    kind: Literal["counter", "gauge", "histogram"]

    def __init__(self, name: str, meaning: str, labels: Sequence[str] = (), unit: Unit = "") -> None:
        self.name = name
        self.meaning = meaning
        self.labels = tuple(labels)
        self.unit: Unit = unit
        self._known: tuple[set[str], ...] = tuple(set() for _ in self.labels)

    def _bounded(self, values: Labels) -> Labels:
        """The series in which these values count: what is new once there is too much becomes `OTHER`."""
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {values}")
        found: list[str] = []
        for value, known in zip(values, self._known, strict=True):
            if value not in known:
                if len(known) >= MOST_VALUES or len(value) > LONGEST_VALUE:
                    value = OTHER
                known.add(value)
            found.append(value)
        return tuple(found)


class Counter(Family):
    """What only grows."""

    kind = "counter"

    def __init__(self, name: str, meaning: str, labels: Sequence[str] = (), unit: Unit = "") -> None:
        super().__init__(name, meaning, labels, unit)
        self.series: dict[Labels, float] = {}

    def add(self, values: Labels = (), amount: float = 1.0) -> None:
        if values not in self.series:
            values = self._bounded(values)
        self.series[values] = self.series.get(values, 0.0) + amount


class Gauge(Family):
    """What goes up and down: it is read when it is asked for."""

    kind = "gauge"

    def __init__(self, name: str, meaning: str, labels: Sequence[str] = (), unit: Unit = "") -> None:
        super().__init__(name, meaning, labels, unit)
        self.read: Callable[[], float | Mapping[Labels, float]] = dict

    @property
    def series(self) -> dict[Labels, float]:
        found = self.read()
        if isinstance(found, Mapping):
            series: dict[Labels, float] = {}
            for values, amount in found.items():
                bounded = self._bounded(values)
                series[bounded] = series.get(bounded, 0.0) + amount
            return series
        return {(): found}


class Spread:
    """How the values of one series are spread: `counts` has one more than there are bounds, for what is above all."""

    __slots__ = ("counts", "total")

    def __init__(self, bounds: int) -> None:
        self.counts = [0] * (bounds + 1)
        self.total = 0.0

    @property
    def count(self) -> int:
        return sum(self.counts)

    def __add__(self, other: "Spread") -> "Spread":
        both = Spread(0)
        both.counts = [one + more for one, more in zip(self.counts, other.counts, strict=True)]
        both.total = self.total + other.total
        return both

    def cumulative(self) -> Iterator[int]:
        """How many are at most each bound, and all of them last."""
        so_far = 0
        for count in self.counts:
            so_far += count
            yield so_far


T = TypeVar("T", float, Spread)


def merged(series: Mapping[Labels, T], shown: Callable[[str], str]) -> dict[Labels, T]:
    """The series with the values of their labels as they are shown. Those that then have the same labels are one: who
    reads metrics takes no series twice."""
    found: dict[Labels, T] = {}
    for labels, amount in series.items():
        seen = tuple(map(shown, labels))
        found[seen] = found[seen] + amount if seen in found else amount
    return found


class Histogram(Family):
    """How values are spread over buckets; a value belongs to the first whose bound is not less."""

    kind = "histogram"

    def __init__(
        self, name: str, meaning: str, labels: Sequence[str] = (), unit: Unit = "s", *, bounds: Sequence[float]
    ) -> None:
        super().__init__(name, meaning, labels, unit)
        self.bounds = tuple(bounds)
        self.series: dict[Labels, Spread] = {}

    def observe(self, values: Labels, amount: float) -> None:
        spread = self.series.get(values)
        if spread is None:
            spread = self.series.setdefault(self._bounded(values), Spread(len(self.bounds)))
        spread.counts[bisect_left(self.bounds, amount)] += 1
        spread.total += amount
