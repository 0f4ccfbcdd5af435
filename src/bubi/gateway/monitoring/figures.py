"""Prometheus text to values, rates and quantiles. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Scrape:
    """What a node measured at one moment (ms): samples by name and labels."""

    time: int
    samples: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)

    def value(self, name: str, **labels: str) -> float | None:
        """One sample; with labels those that are named must agree, and the first one counts."""
        return next((value for _, value in self.matching(name, labels)), None)

    def total(self, name: str, **labels: str) -> float:
        """Sum of all samples of a name that agree."""
        return sum(value for _, value in self.matching(name, labels))

    def matching(
        self, name: str, labels: Mapping[str, str]
    ) -> Iterator[tuple[Mapping[str, str], float]]:
        """Samples of a name whose labels agree."""
        for given, value in self.samples.get(name, {}).items():
            found = dict(given)
            if all(found.get(label) == text for label, text in labels.items()):
                yield found, value


def parse(text: str, time_ms: int) -> Scrape:
    """Reads the text format.

    Raises:
        ValueError: it is none.
    """
    samples: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            samples.setdefault(sample.name, {})[labels] = float(sample.value)
    return Scrape(time_ms, samples)


def increase(before: Scrape, after: Scrape, name: str, **labels: str) -> float:
    """How much a counter grew; a process that started anew began at 0."""
    old, new = before.total(name, **labels), after.total(name, **labels)
    return new if new < old else new - old


def rate(before: Scrape, after: Scrape, name: str, **labels: str) -> float | None:
    """Growth of a counter per second; None without time between."""
    seconds = (after.time - before.time) / 1000
    return increase(before, after, name, **labels) / seconds if seconds > 0 else None


def quantile(
    before: Scrape, after: Scrape, name: str, share: float, **labels: str
) -> float | None:
    """A quantile of what a histogram counted between; None if that is nothing.

    Linear within a bucket; what lies above the last bound counts as that bound.
    """
    bounds = sorted(
        {found["le"] for found, _ in after.matching(f"{name}_bucket", labels)},
        key=float,
    )
    counts = [
        (float(bound), increase(before, after, f"{name}_bucket", le=bound, **labels))
        for bound in bounds
    ]
    if not counts or counts[-1][1] <= 0:
        return None
    wanted = share * counts[-1][1]
    below_bound, below_count = 0.0, 0.0
    for bound, count in counts:
        if count >= wanted:
            if bound == float("inf"):
                return below_bound
            part = (wanted - below_count) / (count - below_count) if count > below_count else 1.0
            return below_bound + (bound - below_bound) * part
        below_bound, below_count = bound, count
    return below_bound
