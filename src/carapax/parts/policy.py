"""Who decides about calls, as the configuration says now."""

from collections.abc import Iterable
from contextlib import AsyncExitStack

from carapax.config import Config
from carapax.contracts import Approver
from carapax.policy.dry_run import DryRun
from carapax.policy.policy import Policy
from carapax.policy.rule_of_two import RuleOfTwo
from carapax.policy.rules import Rules
from carapax.settings import Switch


def make_policy(config: Config, *granted: Approver) -> Policy:
    """Who decides about calls, in this order: the rules of the configuration, what people have granted, the rule of
    two. Raises ConfigError for a rule that is none."""
    policy = config.policy
    approvers = Policy((Rules(policy.rules), *granted, RuleOfTwo()), policy.expires_s)
    return Policy((DryRun(approvers),), policy.expires_s) if policy.dry_run else approvers


class LivePolicy:
    """The Policy of the configuration in force: what is called for it decides about the next call, also of a run under
    way."""

    def __init__(self, config: Config, granted: Iterable[Approver]) -> None:
        self._granted = tuple(granted)
        self._now = make_policy(config, *self._granted)

    def __call__(self) -> Policy:
        return self._now

    async def reopen(self, config: Config, undo: AsyncExitStack) -> Switch:
        policy = make_policy(config, *self._granted)

        def switch() -> None:
            self._now = policy

        return switch
