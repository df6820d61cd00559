"""The kinds of values that parameters have."""

from typing import Annotated

from msgspec import Meta

_SHOWN = r"^[^\x00-\x1f\x7f]*(?![\s\S])"  # a `$` would let a line end stand last

Identifier = Annotated[str, Meta(min_length=1, max_length=200, pattern=_SHOWN)]
"""A name of something that exists."""

Name = Annotated[str, Meta(max_length=200, pattern=_SHOWN)]
"""A name, or empty for the default."""

Seq = Annotated[int, Meta(ge=0, le=2**53)]
"""A place in a session's journal; 0 is before the first event."""

Limit = Annotated[int, Meta(ge=1, le=1000)]
"""How many at most."""
