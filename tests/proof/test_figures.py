from tests.proof.figures import bound


def test_no_failure_is_told_with_what_it_proves() -> None:
    assert bound(0, 949) == "0 of 949 (below 0.32 % with 95 % confidence)"
    assert bound(2, 949) == "2 of 949"
