"""What a programme has found, as one row of the table that `make prove` prints."""

import re

from msgspec import Struct


class Figure(Struct, frozen=True):
    """One measured promise.

    programme: its number in the table, such as "S3"
    what: what was tried, with how many cases
    value: what came out
    aim: what was aimed at
    met: whether it was reached
    """

    programme: str
    what: str
    value: str
    aim: str
    met: bool

    @property
    def place(self) -> tuple[int, str]:
        """Its place in the table."""
        number = re.search("[0-9]+", self.programme)
        return (int(number.group()) if number else 0, self.what)


TABLE: list[Figure] = []


def shown(figure: Figure) -> Figure:
    """Put it into the table."""
    TABLE.append(figure)
    return figure


def row(figure: Figure) -> tuple[str, str, str, str]:
    """Its cells in the table."""
    return ("ok" if figure.met else "MISSED", f"{figure.programme} {figure.what}", figure.value, figure.aim)


def bound(failures: int, trials: int) -> str:
    """So many failures, and what none of them means: with 95 % confidence a rate below three in so many (the rule of
    three)."""
    limit = f" (below {300 / trials:.2g} % with 95 % confidence)" if failures == 0 and trials else ""
    return f"{failures} of {trials}{limit}"
