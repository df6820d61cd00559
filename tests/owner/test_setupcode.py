import pytest

from carapax.errors import Unauthorized
from carapax.owner.setupcode import ALPHABET, SetupCode
from carapax.testing import FakeClock


def refused(code: SetupCode, shown: str) -> str:
    with pytest.raises(Unauthorized) as caught:
        code.spend(shown)
    return f"{caught.value}"


def is_open(code: SetupCode) -> bool:
    return code.is_open


def test_a_code_has_eight_characters_that_cannot_be_mistaken_and_is_another_each_time() -> None:
    code = SetupCode(FakeClock())
    made = [code.make().reveal() for _ in range(200)]
    assert len(set(made)) == len(made)
    assert all(len(each) == 9 and each[4] == "-" and set(each) - {"-"} <= set(ALPHABET) for each in made)
    assert not set("ILO01") & set(ALPHABET)


@pytest.mark.parametrize("written", ["{}", " {} ", "{}\n"])
def test_it_is_taken_once_however_it_is_written(written: str) -> None:
    code = SetupCode(FakeClock())
    made = code.make().reveal()
    assert is_open(code)
    code.spend(written.format(made.replace("-", " ").lower()))
    assert not is_open(code)
    assert refused(code, made) == "the setup code was used already (`carapax owner code` prints a new one)"


def test_five_wrong_ones_end_it_and_each_says_how_many_are_left() -> None:
    code = SetupCode(FakeClock())
    made = code.make().reveal()
    said = [refused(code, wrong) for wrong in ("", "AAAA-AAAA", made[:-1], made + "A", "\ud800")]
    assert ["4 tries are left" in said[0], "3 tries" in said[1], "2 tries" in said[2], "1 try is left" in said[3]] == [
        True
    ] * 4
    assert "tried wrongly too often" in said[4]
    assert "tried wrongly too often" in refused(code, made)
    assert not is_open(code)


def test_it_is_good_for_thirty_minutes() -> None:
    clock = FakeClock()
    code = SetupCode(clock)
    made = code.make().reveal()
    clock.advance(1_799)
    assert is_open(code)
    clock.advance(1)
    assert not is_open(code)
    assert "has expired" in refused(code, made)


def test_a_new_one_ends_the_one_before() -> None:
    code = SetupCode(FakeClock())
    before, after = code.make().reveal(), code.make().reveal()
    assert "this is not the setup code" in refused(code, before)
    code.spend(after)


def test_without_one_nothing_is_right() -> None:
    assert [refused(SetupCode(FakeClock()), shown)[:26] for shown in ("", "AAAA-AAAA")] == [
        "there is no setup code now"
    ] * 2
