"""The bottom of the terminal: what is under way, the line that is typed, and the state below it. Everything else is
above, in the scrollback."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, has_focus, to_filter
from prompt_toolkit.formatted_text import ANSI, StyleAndTextTuples, merge_formatted_text
from prompt_toolkit.formatted_text.base import AnyFormattedText
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import ColorDepth

from carapax.cli.history import PrivateHistory
from carapax.cli.terminal import has_colours, showable
from carapax.clock import Clock

QUIET_S = 0.5
_KEEP_FREE = 6


class Screen:
    """`live` gives what is under way on at most so many lines, `status` the line below what is typed, `asks` the
    id and the choices of a question that waits, both empty for none. `typed` is called with each message, `answered`
    with the id of a question that is shown and each answer to it, `interrupted` on Ctrl-C with nothing typed, and tells
    whether to leave."""

    def __init__(
        self,
        history: Path,
        completer: Completer,
        *,
        live: Callable[[int], str],
        status: Callable[[], str],
        asks: Callable[[], tuple[str, str]],
        typed: Callable[[str], None],
        answered: Callable[[str, str], None],
        interrupted: Callable[[], bool],
        clock: Clock,
    ) -> None:
        self._live = live
        self._status = status
        self._asks = asks
        self._typed = typed
        self._answered = answered
        self._interrupted = interrupted
        self._clock = clock
        self._asking = ""
        self._deaf_until = 0.0
        self._draft = ""
        slash = Condition(lambda: self._session.default_buffer.text.startswith("/"))
        self._session: PromptSession[None] = PromptSession(
            message=self._message,
            multiline=True,
            history=PrivateHistory(history),
            completer=completer,
            complete_while_typing=slash,
            reserve_space_for_menu=5,
            search_ignore_case=True,
            key_bindings=self._keys(),
            bottom_toolbar=self._toolbar,
            prompt_continuation="  ",
            erase_when_done=True,
            enable_suspend=True,
            color_depth=None if has_colours(sys.stdout) else ColorDepth.DEPTH_1_BIT,
        )
        for window in self._session.layout.find_all_windows():
            window.dont_extend_height = to_filter(True)  # the state stands right below what is typed

    async def run(self) -> None:
        """Until the person leaves."""
        await self._session.prompt_async(handle_sigint=False, set_exception_handler=False)

    def write(self, text: str) -> None:
        """Put lines into the scrollback. The terminal stays as it is meanwhile, so that what is typed at the same time
        is neither echoed nor read otherwise."""
        app = self._session.app
        if app.is_running:
            app.renderer.erase()
        app.output.write_raw(showable(text, app.output.encoding()).replace("\n", "\r\n"))
        app.output.flush()
        if app.is_running:
            app.renderer.request_absolute_cursor_position()

    def redraw(self) -> None:
        """Show what is under way now. A question takes the place of what is being typed until it is answered, and what
        is being typed when it gives way to another one is no answer to that."""
        buffer = self._session.default_buffer
        asking, _ = self._asks()
        if asking != self._asking:
            if not self._asking:
                self._draft = buffer.text
            buffer.reset()
            if asking:
                self._deaf_until = self._clock.now() + QUIET_S
            else:
                buffer.text, self._draft = self._draft, ""
                buffer.cursor_position = len(buffer.text)
        self._asking = asking
        self._session.app.invalidate()

    def leave(self) -> None:
        if self._session.app.is_running:
            self._session.app.exit()

    def _message(self) -> AnyFormattedText:
        typed = self._session.default_buffer.document.line_count
        live = self._live(self._session.app.output.get_size().rows - _KEEP_FREE - typed)
        prompt: StyleAndTextTuples = [("bold", f"answer {self._asks()[1]}: " if self._asking else "> ")]
        return merge_formatted_text([ANSI(f"{live}\n" if live else ""), prompt])

    def _toolbar(self) -> AnyFormattedText:
        return self._status()

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        typing = has_focus(DEFAULT_BUFFER)
        deaf = typing & Condition(self._is_deaf)

        @keys.add("enter", filter=typing)
        def _enter(event: KeyPressEvent) -> None:
            self._take(event)

        @keys.add("escape", "enter", filter=typing)
        @keys.add("c-j", filter=typing)
        def _line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add("c-c", filter=typing)
        def _interrupt(event: KeyPressEvent) -> None:
            if event.current_buffer.text and not self._asking:
                event.current_buffer.reset()
            elif self._interrupted():
                event.app.exit()

        @keys.add("c-d", filter=typing)
        def _end(event: KeyPressEvent) -> None:
            if self._asking:
                self._answered(self._asking, "n")
            elif event.current_buffer.text:
                event.current_buffer.delete()
            else:
                event.app.exit()

        @keys.add(Keys.Any, filter=deaf)
        @keys.add("enter", filter=deaf)
        @keys.add(Keys.BracketedPaste, filter=deaf)
        def _nothing(event: KeyPressEvent) -> None:
            """What was being typed when a question came up is no answer to it."""
            self._deaf_until = self._clock.now() + QUIET_S

        return keys

    def _is_deaf(self) -> bool:
        return bool(self._asking) and self._clock.now() < self._deaf_until

    def _take(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        text = buffer.text
        if self._asking:
            buffer.reset()
            self._answered(self._asking, text.strip())
        elif text.strip():
            buffer.append_to_history()
            buffer.reset()
            self._typed(text)
        else:
            buffer.reset()


async def pause(seconds: float, changed: asyncio.Event) -> None:
    """Wait until something has changed, but no longer than that."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return
