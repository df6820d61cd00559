from carapax.agent.prompt import About, system_prompt

TODAY = "Thursday, 01 January 2026 in UTC"


def test_the_persona_comes_first_and_the_date_is_told() -> None:
    prompt = system_prompt(About("main", "  Be brief.  "), TODAY)
    assert prompt.startswith("Be brief.\n\nYou are main, an agent")
    assert f"Today is {TODAY}." in prompt


def test_what_the_agent_is_called_and_how_it_talks_is_told_without_what_nobody_sees() -> None:
    prompt = system_prompt(About("A\u200bda", "", "🦀", "dry", "Sam"), TODAY)
    told = "Your emoji is 🦀.\nThe person you work for is called Sam.\nHow you talk to people: dry"
    assert (prompt.startswith("You are Ada, an agent"), prompt.endswith(told)) == (True, True)
