"""The numbers that the documentation tells are those of the code."""

from pathlib import Path

import pytest

from carapax.agent.attached import MOST_BYTES
from carapax.agent.ledger import LEVELS
from carapax.agent.metered import ANSWER_TOKENS
from carapax.config import AgentConfig, LimitsConfig, PolicyConfig
from carapax.doctor.run import LIMIT_S
from carapax.gateway.guesses import NOTED_PER_MINUTE
from carapax.logs import files as log_files
from carapax.logs import logs
from carapax.models.facts import ASSUMED, CONTEXT_TOKENS
from carapax.owner import password, setupcode
from carapax.passphrase import Cost
from carapax.personas import MOST_CHARACTERS
from carapax.policy.binding import LONGEST_FILE
from carapax.policy.rule_of_two import MOST_FOLLOWED
from carapax.process import Limits
from carapax.sandboxes import docker
from carapax.sessions import gate, instructions, intake, session
from carapax.settings import LONGEST_WAIT_S, SETTLE_S
from carapax.store.files import UNUSED_S
from carapax.store.signins import LASTS_S
from carapax.systemkeyring import PATIENCE_S
from carapax.tailscale import command as tailscale
from carapax.telemetry import exporter, registry
from carapax.throttle import GUESSES, WINDOW_S
from carapax.tls import authority, certificates
from carapax.tools import read_file, shell, web_fetch, web_search
from tests.test_claims import flat

ROOT = Path(__file__).parent.parent
WORDS = {3: "three", 5: "five", 10: "ten", 30: "thirty", 60: "sixty"}
KB, MB, GB = 1 << 10, 1 << 20, 1 << 30
MINUTE, DAY = 60, 86_400
LIMIT, ALLOWANCE, AGENT = Limits(), docker.Config().limits, AgentConfig()
TAKEN = LimitsConfig()
TOLD = [
    ("access.md", "It is good for {:g} minutes, {} tries", [setupcode.LASTS_S / MINUTE, WORDS[setupcode.TRIES]]),
    ("access.md", "A password of {} characters or more", [password.SHORTEST]),
    ("access.md", "It ends {:g} days after signing in", [LASTS_S / DAY]),
    ("access.md", "does not send its headers within {:g} s", [TAKEN.header_timeout_s]),
    ("access.md", "{} wrong tokens, passwords, passkeys or setup codes within {} minutes ban",
     [WORDS[GUESSES].title(), WORDS[round(WINDOW_S / MINUTE)]]),
    ("access.md", "Of refused tokens at most {} a minute are recorded", [WORDS[NOTED_PER_MINUTE]]),
    ("agents.md", "A run is bounded: {} answers and {:g} s by default", [AGENT.max_iterations, AGENT.max_seconds]),
    ("agents.md", "runs a command in the sandbox: {:g} s, {} KB of output",
     [shell.Config().timeout_s, shell.Config().output_bytes // KB]),
    ("agents.md", "reads a text file of up to {:g} MB", [read_file.Config().max_bytes / 1e6]),
    ("agents.md", "reads a public page as text: {:g} MB, {:g} s",
     [web_fetch.Config().max_bytes / 1e6, web_fetch.Config().timeout_s]),
    ("agents.md", "pieces of text; 5 unless told, {:g} s", [web_search.Config().timeout_s]),
    ("api.md", "A message has at most {:g} KB, JSON is nested at most {} deep, a WebSocket frame has {} KB and a "
     "message {} KB, of which the text {} KB; {} messages a minute over one WebSocket",
     [TAKEN.message_bytes / 1e3, TAKEN.json_depth, TAKEN.socket_frame_bytes // KB, TAKEN.socket_message_bytes // KB,
      TAKEN.socket_text_bytes // KB, TAKEN.socket_messages_per_minute]),
    ("api.md", "or token that is no owner's may say {} a minute", [TAKEN.person_messages_per_minute]),
    ("api.md", "Unauthenticated calls are limited to {} a minute", [TAKEN.anonymous_per_minute]),
    ("api.md", "{} come with a message, each of at most {:g} MB; models are shown {:g} MB of them at most",
     [WORDS[intake.MOST_ATTACHMENTS].title(), TAKEN.attachment_bytes / 1e6, MOST_BYTES / 1e6]),
    ("api.md", "one that no message names is forgotten after a day", [UNUSED_S / DAY == 1]),
    ("approvals.md", "until when it waits: {} minutes", [WORDS[round(PolicyConfig().expires_s / MINUTE)]]),
    ("approvals.md", "more than {} KB, is refused without a question", [gate.LONGEST_SHOWN // KB]),
    ("approvals.md", "A file of more than {} MB cannot be bound", [LONGEST_FILE // MB]),
    ("configuration.md", "at least every {} minutes", [WORDS[round(LONGEST_WAIT_S / MINUTE)]]),
    ("configuration.md", "until it has stayed the same for a tenth of a second", [SETTLE_S == 0.1]),
    ("costs.md", "an answer is limited to {:,} tokens", [ANSWER_TOKENS]),
    ("costs.md", "At {2}, {1} and {0} percent", [*LEVELS]),
    ("costs.md", "{:,} tokens of context are assumed, and where a budget applies {:g} and {:g} US dollars",
     [CONTEXT_TOKENS, ASSUMED.input_usd, ASSUMED.output_usd]),
    ("durability.md", "the same run is killed {} times", [WORDS[session.ATTEMPTS]]),
    ("persona.md", "Up to {:,} characters count", [MOST_CHARACTERS]),
    ("persona.md", "Of a longer file than {:,} characters the middle is left out, and of all files together {:,}",
     [instructions.MOST_CHARACTERS, instructions.MOST_TOGETHER]),
    ("policy.md", "after {} pages and searches", [MOST_FOLLOWED]),
    ("policy.md", "after {} questions without a yes", [WORDS[gate.MOST_REFUSED]]),
    ("sandboxes.md", "| cpu_seconds | {} |", [LIMIT.cpu_seconds]),
    ("sandboxes.md", "| memory_bytes | {} GB |", [LIMIT.memory_bytes // GB]),
    ("sandboxes.md", "| processes | {} |", [LIMIT.processes]),
    ("sandboxes.md", "| file_bytes | {} GB |", [LIMIT.file_bytes // GB]),
    ("sandboxes.md", "| open_files | {} |", [LIMIT.open_files]),
    ("sandboxes.md", "| output_bytes | {} MB |", [LIMIT.output_bytes // MB]),
    ("sandboxes.md", "| {} GB, {:,} |", [LIMIT.workspace_bytes // GB, LIMIT.workspace_files]),
    ("sandboxes.md", "{} MB of memory without swap, {:g} of a processor, {} processes",
     [ALLOWANCE.memory_bytes // MB, ALLOWANCE.cpus, ALLOWANCE.processes]),
    ("sandboxes.md", "has used for {:g} minutes (idle_s)", [docker.Config().idle_s / MINUTE]),
    ("secrets.md", "({} MiB, {} passes, {} lanes)", [Cost().memory_kib // KB, Cost().passes, Cost().lanes]),
    ("secrets.md", "does not answer within {:g} seconds is given up", [PATIENCE_S]),
    ("start.md", "Each check is given {:g} seconds", [LIMIT_S]),
    ("telemetry.md", "at most {} MB: {} files of {} MB",
     [(log_files.KEPT + 1) * log_files.MAX_BYTES // MB, WORDS[log_files.KEPT + 1], log_files.MAX_BYTES // MB]),
    ("telemetry.md", "At most {:,} lines, of about {} million characters", [logs.QUEUE, logs.MOST_WAITING // MB]),
    ("telemetry.md", "a label has at most {} values, what comes after them counts as {}",
     [registry.MOST_VALUES, registry.OTHER]),
    ("telemetry.md", "up to {:,} spans wait", [exporter.QUEUE]),
    ("telemetry.md", "waits for it for at most {:g} s", [exporter.CLOSE_S]),
    ("tls.md", "keeps it for {} years", [WORDS[round(authority.LIFE_S / DAY / 365.25)]]),
    ("tls.md", "valid for {0:g} days and renewed after {1:g}",
     [(authority.LEAF_LIFE_S + authority.SKEW_S) / DAY, (authority.LEAF_LIFE_S + authority.SKEW_S) / DAY * 2 / 3]),
    ("tls.md", "looked at twice a minute", [certificates.LOOK_S == MINUTE / 2]),
    ("tls.md", "Each command of Tailscale gets {} seconds", [WORDS[round(tailscale.LIMIT_S)]]),
]  # fmt: skip


@pytest.mark.parametrize(("page", "told", "numbers"), TOLD, ids=lambda each: each if isinstance(each, str) else "")
def test_a_number_is_that_of_the_code(page: str, told: str, numbers: list[object]) -> None:
    assert told.format(*numbers) in flat((ROOT / "docs" / page).read_text())
    assert False not in numbers
