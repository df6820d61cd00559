"""`carapax chat`: one message, or a conversation at the keyboard."""

import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

import click
import msgspec
from msgspec.structs import replace

from carapax.cli.background import Background
from carapax.cli.conversation import Conversation, converse
from carapax.cli.group import home, takes_home
from carapax.cli.keyboard import Interrupts, Keyboard
from carapax.cli.loop import awaited
from carapax.cli.printer import Printer
from carapax.cli.question import Asker, Questions, card
from carapax.cli.rpc import announced, find_gateway
from carapax.cli.serving import serve
from carapax.cli.slash import Slash
from carapax.cli.terminal import clean, one_line, repaints, whole, write
from carapax.cli.unlocking import passphrase_of
from carapax.config import Home
from carapax.configcheck import check
from carapax.configfile import first_start, read
from carapax.errors import CarapaxError
from carapax.events import Envelope
from carapax.logs.logs import Logs
from carapax.redaction import Secret


@click.command()
@click.option("--message", "-m", help="Say this, print the answer, and leave; - reads it from standard input.")
@click.option("--session", default="", help="Go on with this session.  [default: a new one]")
@click.option("--agent", default="", help="Who answers in a new session.  [default: the first agent]")
@click.option("--model", default="", help='"provider/model" instead of the agent\'s own.')
@click.option("--attach", "-a", type=click.Path(path_type=Path), multiple=True, help="Send this file along.")
@click.option("--json", "as_json", is_flag=True, help="Print one event a line, as JSON.")
@takes_home
def command(message: str | None, session: str, agent: str, model: str, attach: tuple[Path, ...], as_json: bool) -> None:
    """Talk to an agent.

    Where no gateway runs on the home, one is started for as long as the conversation lasts.
    """
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")
    if message == "-":
        message = sys.stdin.read()
    passphrase = None if find_gateway(home()) else passphrase_of(home())
    interrupts = Interrupts()
    talks = message is None and not as_json and sys.stdin.isatty() and repaints(sys.stdout)
    log_to = None if talks else sys.stderr  # the screen is not for the log, which is in its file
    background = Background(_open(home(), session, agent, model, passphrase, log_to), interrupts.take)
    with interrupts, background as conversation:
        for file in attach:
            background.run(conversation.attach(file))
        if talks:
            from carapax.cli.talk import Talk

            if session:
                background.run(conversation.about())
            awaited(Talk(background, conversation, home()).run())
            return
        chat = Chat(background, conversation, interrupts, as_json, one_shot=message is not None)
        if message is not None:
            sys.exit(0 if chat.say(message) else 1)
        chat.run()


class Chat:
    """Line after line, where there is no terminal, or one that can only print. `say` returns whether the answer came to
    its regular end."""

    def __init__(
        self,
        background: Background[Conversation],
        conversation: Conversation,
        interrupts: Interrupts,
        as_json: bool,
        one_shot: bool,
    ) -> None:
        self._background = background
        self._conversation = conversation
        self._interrupts = interrupts
        self._as_json = as_json
        self._printer = Printer(aside=sys.stderr if one_shot else sys.stdout, origins=lambda: conversation.origins)
        self._questions = Questions()
        self._asker = Asker(self._questions, interrupts)
        self._slash = Slash(conversation, self._questions, lambda number: "")
        self._asks = sys.stdin.isatty() and sys.stdout.isatty() and not as_json

    def run(self) -> None:
        keyboard = Keyboard(self._interrupts)
        if self._conversation.session:
            info = self._background.run(self._conversation.about())
            keyboard.note(f"session {info.id} {one_line(info.title)}")
        keyboard.note("/help lists what else can be done here")
        for line in keyboard.lines():
            try:
                if line in ("/quit", "/exit"):
                    return
                if line.startswith("/"):
                    if told := self._background.run(self._slash.obey(line)):
                        keyboard.tell(told)
                else:
                    self.say(line)
            except CarapaxError as error:
                click.echo(f"Error: {clean(str(error))}", err=True)

    def say(self, text: str) -> bool:
        """Ctrl-C stops the run; once more leaves."""
        saying = self._background.start(self._conversation.say(whole(text), self._show))
        try:
            reply = self._background.wait(saying, self._ask)
        except KeyboardInterrupt:
            self._background.start(self._conversation.cancel())
            reply = self._background.wait(saying)
        return reply.finish == "done"

    def _ask(self) -> None:
        """Ask what waits. Where nobody sits at a terminal, that is a no."""
        if self._asks:
            answered = self._asker.ask()
        else:
            asked = self._questions.next()
            answered = None if asked is None else (asked, None)
            if asked is not None:
                text = f"{card(asked)}\nrefused: nobody is at a terminal to say yes"
                click.echo(text, err=True)
        if answered is not None:
            self._background.run(self._conversation.answer(*answered))

    def _show(self, envelope: Envelope) -> None:
        self._questions.follow(envelope)
        if self._as_json:
            write(msgspec.json.encode(envelope).decode() + "\n")
        else:
            self._printer.show(envelope)


@asynccontextmanager
async def _open(
    home: Home, session: str, agent: str, model: str, passphrase: Secret | None, log_to: TextIO | None
) -> AsyncGenerator[Conversation, None]:
    async with AsyncExitStack() as stack:
        if gateway := find_gateway(home):
            running = gateway.running
        else:
            first_start(home)
            click.echo(f"no gateway runs on {home.data_dir}:\n  one is started for this conversation", err=True)
            logs = stack.enter_context(Logs(log_to, least="warning"))
            source = read(home)
            config = check(home, source)
            config = replace(config, gateway=replace(config.gateway, host="127.0.0.1", port=0))
            running = (await stack.enter_async_context(serve(home, config, source, passphrase, logs))).running
        yield await stack.enter_async_context(converse(running, session, agent, model, lambda: announced(home)))
