from carapax.agent.prompt import About, system_prompt
from carapax.testing.clock import START


def test_the_persona_comes_first_and_the_date_is_told() -> None:
    prompt = system_prompt(About("main", "  Be brief.  "), START)
    assert prompt.startswith("Be brief.\n\nYou are main, an agent")
    assert "Today is Thursday, 01 January 2026." in prompt


def test_it_is_the_same_all_day_so_that_it_can_be_cached() -> None:
    assert system_prompt(About("main"), START) == system_prompt(About("main"), START + 86_399)
