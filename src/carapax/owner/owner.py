"""The owner: by what the gateway knows the person that it belongs to."""

from carapax.clock import Clock
from carapax.owner.passkeys import Passkeys
from carapax.owner.password import Password
from carapax.owner.setupcode import SetupCode
from carapax.store.database import Database
from carapax.store.owner import OwnerRecord, guarded


class Owner:
    """The ways in which the owner is recognised, and what is kept of them."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self.record = OwnerRecord(database, clock)
        self.code = SetupCode(clock)
        self.password = Password(self.record)
        self.passkeys = Passkeys(self.record, clock)

    async def guarded(self) -> bool:
        """Whether there is any credential, and so whether callers must show one."""
        return await guarded(self._database)
