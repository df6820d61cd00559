"""`carapax costs`: what models cost, as a chart of bars, and how the budgets stand."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, cast, get_args

import click
import msgspec

from carapax.cli.group import home, takes_home
from carapax.cli.record import open_record
from carapax.cli.terminal import one_line, time_of, write
from carapax.store.spend import By

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carapax.agent.costs import Costs
    from carapax.store.spend import Group, Tally

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_WIDEST_NAME = 36


@click.command()
@click.option("--by", type=click.Choice(get_args(By)), default="day", show_default=True, help="What to add up apart.")
@click.option("--days", type=click.IntRange(1, 3660), default=30, show_default=True, help="How many days, with today.")
@click.option("--json", "as_json", is_flag=True, help="All of it as JSON.")
@takes_home
def command(by: str, days: int, as_json: bool) -> None:
    """Show what models cost, and how the budgets stand."""
    costs = open_record(home()).costs(cast("By", by), days)
    if as_json:
        click.echo(msgspec.json.encode(costs))
        return
    for line in _lines(costs, shutil.get_terminal_size().columns, plain=_is_plain()):
        write(line + "\n")


def _is_plain() -> bool:
    """Whether blocks could not be shown, or would be read by another program."""
    return not sys.stdout.isatty() or (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"


def _lines(costs: Costs, width: int, *, plain: bool) -> Iterator[str]:
    total = costs.total
    yield f"{costs.since} to {costs.until} ({costs.timezone})"
    yield f"{usd(total.cost_usd)} USD in {_many(total.calls, 'call')}: {_tokens(total)}"
    yield from _remarks(total)
    if costs.groups:
        yield ""
        yield from chart(costs.groups, width, plain=plain)
    if costs.budgets:
        yield ""
    for budget in costs.budgets:
        aside = f", {usd(budget.reserved_usd)} set aside" if budget.reserved_usd else ""
        share = f" ({budget.spent_usd / budget.limit_usd:.0%})" if budget.limit_usd else ""
        spent = f"{usd(budget.spent_usd)} of {usd(budget.limit_usd)} USD{share}{aside}"
        yield f"budget {one_line(budget.name, _WIDEST_NAME)}: {spent}; begins anew {time_of(budget.resets_at)}"


def chart(groups: list[Group], width: int, *, plain: bool) -> Iterator[str]:
    """A bar for each group, as long as it cost."""
    names = [one_line(group.title or group.name or "-", _WIDEST_NAME) for group in groups]
    amounts = [usd(group.tally.cost_usd) for group in groups]
    widest, longest = max(map(len, names)), max(map(len, amounts))
    room = max(8, min(width, 120) - widest - longest - 5)
    most = max(group.tally.cost_usd for group in groups)
    for group, name, amount in zip(groups, names, amounts, strict=True):
        share = group.tally.cost_usd / most if most else 0
        yield f"{name:{widest}}  {amount:>{longest}}  {_bar(share, room, plain=plain)}".rstrip()


def _bar(share: float, room: int, *, plain: bool) -> str:
    if plain:
        return "#" * round(share * room)
    eighths = round(share * room * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def usd(amount: float) -> str:
    """US dollars to the cent; less than a cent with two digits that say something."""
    if amount == 0 or amount >= 0.01:
        return f"{amount:,.2f}"
    return f"{amount:.9f}".rstrip("0") if amount < 0.0001 else f"{amount:.2g}"


def _tokens(tally: Tally) -> str:
    parts = {"cached": tally.cache_read, "written to the cache": tally.cache_write, "from tools": tally.tool}
    apart = ", ".join(f"{count:,} {what}" for what, count in parts.items() if count)
    reasoned = f" ({tally.reasoning:,} reasoned)" if tally.reasoning else ""
    return f"{tally.input:,} tokens in{f' ({apart})' if apart else ''}, {tally.output:,} out{reasoned}"


def _remarks(tally: Tally) -> Iterator[str]:
    if tally.estimated:
        yield f"{_many(tally.estimated, 'call')} counted by estimate, as the vendor did not"
    if tally.unpriced:
        yield f'{_many(tally.unpriced, "call")} of unknown price; say it in [models."provider/model"]'


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
