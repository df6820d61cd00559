from carapax.models.catalogue import vendors
from carapax.models.listing import catalogue


def test_every_vendor_can_be_added() -> None:
    listed = {known.name: known for known in catalogue()}
    assert listed["openai"].key_env == "OPENAI_API_KEY"
    assert listed["ollama"].local
    assert set(vendors()) - set(listed) == {"demo"}


def test_who_only_searches_or_embeds_is_not_one_who_answers() -> None:
    assert [known.name for known in catalogue() if not known.talks] == ["voyage", "tavily", "brave", "searxng"]
