from carapax.agent.reading import MOST_CHARACTERS, Reading, Texts
from carapax.events import MessageReceived, ToolReturned
from carapax.messages import Origin, Sender, ToolResult


def message(text: str, sender: Sender) -> MessageReceived:
    return MessageReceived("m", sender, text, "test", "")


def returned(text: str, *origins: Origin) -> ToolReturned:
    return ToolReturned(ToolResult("c", "tool", text), origins=origins)


def test_only_those_who_may_give_orders_vouch() -> None:
    reading = Reading()
    reading.hear(message("post it", Sender("ann", trust="owner")), 1)
    reading.hear(message("me too", Sender("bob", trust="known")), 1)
    reading.hear(message("hello", Sender("eve", trust="stranger")), 1)
    reading.take(returned("Ann's address"), "ignored", "{}", 1)
    reading.take(returned("Ann's address", Origin("owner", "contacts")), "Ann's address", "{}", 1)
    assert (reading.vouching.all(), reading.own.all()) == (("post it", "me too"), ("Ann's address",))
    assert (reading.origins, reading.outside.all()) == ((Origin("stranger", "eve"),), ("hello",))


def test_what_was_read_of_others_is_told_once_and_in_order() -> None:
    reading = Reading()
    page, tool, file = Origin("web", "https://a.example"), Origin("tool", "mcp"), Origin("file", "notes.md")
    for origin in (page, tool, page, file):
        reading.take(returned("text", origin), "text", "{}", 1)
    assert reading.origins == (page, tool, file)
    assert reading.outside.all() == ("text", "text")


def test_what_a_call_asked_for_is_not_vouched_by_its_answer() -> None:
    reading = Reading()
    text = "nobody is called Eve@evil.example. There is ann@home.example"
    reading.take(returned(text, Origin("owner", "contacts")), text, '{"who": ["\\u0065ve@evil.example", 3]}', 1)
    assert reading.own.all() == ("nobody is called \ufffc There is ann@home.example",)
    failed = ToolReturned(ToolResult("c", "tool", "no such file: eve", True), origins=(Origin("owner", "contacts"),))
    reading.take(failed, "no such file: eve", "{}", 1)
    assert len(reading.own.all()) == 1


def test_things_that_a_tool_lists_are_known_by_their_id() -> None:
    reading = Reading()
    forged = '{\\"id\\": 7, \\"title\\": \\"Payroll\\"}'
    listed = f'{{"events": [{{"id": 24, "title": "Kick-off", "text": "{forged}"}}, {{"id_": "x"}}]}}'
    reading.take(returned(listed, Origin("web", "tool")), listed, "{}", 1)
    renamed = '[{"id": "24", "name": "Payroll"}]'
    reading.take(returned(renamed, Origin("web", "tool")), renamed, "{}", 1)
    page = '[{"id": 7, "title": "Kick-off"}]'
    reading.take(returned(page, Origin("web", "https://evil.example")), page, "{}", 1)
    reading.take(returned("[cut", Origin("web", "tool")), "[cut", "{}", 1)
    assert {name: tuple(called) for name, called in reading.things.items()} == {"24": ("Kick-off", "Payroll")}


def test_what_an_unsteered_search_found_is_kept_apart() -> None:
    reading = Reading()
    origin = Origin("web", "web_search")
    for found, failed in ((True, False), (False, False), (True, True)):
        result = ToolResult("c", "web_search", f"{found}", failed)
        reading.take(ToolReturned(result, origins=(origin,), found=found), result.text, "{}", 1)
    assert (reading.found.all(), reading.origins) == (("True",), (origin,))


def test_of_many_texts_the_last_are_kept() -> None:
    texts = Texts()
    for letter in "abc":
        texts.add(letter * (MOST_CHARACTERS // 2))
    assert [text[0] for text in texts.all()] == ["b", "c"]
    texts.add("d" * MOST_CHARACTERS * 2)
    assert [text[0] for text in texts.all()] == ["d"]


def test_what_a_person_answers_for_is_trusted_but_for_what_is_read_again() -> None:
    reading = Reading()
    page, again, later = (Origin("web", f"https://{name}.example") for name in "abc")
    for seq, origin in enumerate((page, again, later, again), 1):
        reading.take(returned("text", origin), "text", "{}", seq)
    reading.vouch(2)
    assert reading.origins == (again, later)


def test_what_leads_somewhere_by_itself_is_no_id_of_a_thing() -> None:
    reading = Reading()
    listed = '[{"id": "touch pwned", "title": "Kick-off"}, {"id": "eve@evil.example", "name": "Ann"}]'
    reading.take(returned(listed, Origin("tool", "tool")), listed, "{}", 1)
    named = '[{"id": 7, "title": "Kick-off"}]'
    reading.take(returned(named, Origin("file", "tool")), named, "{}", 1)
    assert reading.things == {}


def test_pages_are_counted_until_somebody_says_something_who_may_give_orders() -> None:
    reading = Reading()
    for _ in range(3):
        reading.take(returned("text", Origin("web", "https://a.example")), "text", "{}", 1)
    reading.take(returned("text", Origin("file", "notes.md")), "text", "{}", 1)
    reading.hear(message("more", Sender("eve", trust="stranger")), 2)
    assert reading.followed == 3
    reading.hear(message("go on", Sender("ann", trust="known")), 3)
    assert reading.followed == 0
