from carapax.agent.prompt import About, system_prompt
from carapax.testing.clock import START


def test_the_persona_comes_first_and_the_date_is_told() -> None:
    prompt = system_prompt(About("main", "  Be brief.  "), START)
    assert prompt.startswith("Be brief.\n\nYou are main, an agent")
    assert "Today is Thursday, 01 January 2026." in prompt


def test_it_is_the_same_all_day_so_that_it_can_be_cached() -> None:
    assert system_prompt(About("main"), START) == system_prompt(About("main"), START + 86_399)


def test_the_day_is_that_of_the_owner() -> None:
    prompt = system_prompt(About("main", timezone="Pacific/Auckland"), START + 43_200)
    assert "Today is Friday, 02 January 2026 in Pacific/Auckland." in prompt


def test_what_the_agent_is_called_and_how_it_talks_is_told_without_what_nobody_sees() -> None:
    prompt = system_prompt(About("A\u200bda", "", "🦀", "dry", "Sam"), START)
    told = "Your emoji is 🦀.\nThe person you work for is called Sam.\nHow you talk to people: dry"
    assert (prompt.startswith("You are Ada, an agent"), prompt.endswith(told)) == (True, True)
