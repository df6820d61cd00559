"""Metrics as Prometheus reads them: its text format 0.0.4, and OpenMetrics 1.0
(https://prometheus.io/docs/instrumenting/exposition_formats/, https://prometheus.io/docs/specs/om/open_metrics_spec/).
"""

from collections.abc import Callable, Iterable, Iterator

from carapax.telemetry.registry import Counter, Family, Gauge, Histogram, Labels, Unit, merged

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_UNITS: dict[Unit, str] = {"s": "_seconds", "By": "_bytes", "USD": "_usd", "%": "_percent"}


def written(families: Iterable[Family], redact: Callable[[str], str], *, as_open: bool = False) -> str:
    """All series that there are. `redact` takes secrets out of the values of labels."""
    lines = [line for family in families for line in _family(family, redact, as_open)]
    return "\n".join([*lines, "# EOF", ""] if as_open else [*lines, ""])


def name_of(family: Family) -> str:
    """What Prometheus calls it, without the `_total` of a counter
    (https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/)."""
    name = _plain(family.name)
    unit = _UNITS.get(family.unit, "")
    return name if name.endswith(unit) else name + unit


def _family(family: Family, redact: Callable[[str], str], as_open: bool) -> Iterator[str]:
    name = name_of(family)
    if isinstance(family, Counter):
        name = name.removesuffix("_total")
    head = f"{name}_total" if isinstance(family, Counter) and not as_open else name
    yield f"# HELP {head} {family.meaning}"
    yield f"# TYPE {head} {family.kind}"
    names = [_plain(label) for label in family.labels]

    def shown(value: str) -> str:
        return redact(value).encode("utf-8", "replace").decode()

    def labelled(values: Labels, more: str = "") -> str:
        pairs = [f'{label}="{_escaped(value)}"' for label, value in zip(names, values, strict=True) if value]
        pairs += [more] if more else []
        return "{" + ",".join(pairs) + "}" if pairs else ""

    if isinstance(family, Histogram):
        for values, spread in merged(family.series, shown).items():
            bounds = [*map(_number, family.bounds), "+Inf"]
            for bound, count in zip(bounds, spread.cumulative(), strict=True):
                le = f'le="{bound}"'
                yield f"{name}_bucket{labelled(values, le)} {count}"
            yield f"{name}_sum{labelled(values)} {_number(spread.total)}"
            yield f"{name}_count{labelled(values)} {spread.count}"
    elif isinstance(family, Counter | Gauge):
        suffix = "_total" if isinstance(family, Counter) else ""
        for values, amount in merged(family.series, shown).items():
            yield f"{name}{suffix}{labelled(values)} {_number(amount)}"


def _plain(name: str) -> str:
    return name.replace(".", "_")


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _number(amount: float) -> str:
    return repr(float(amount))
