"""Recipes of images."""

from pathlib import Path

import pytest

from carapax.containers.image import Recipe, is_archive
from carapax.errors import ConfigError


def test_the_same_recipe_has_the_same_tag_whatever_the_order_of_its_packages() -> None:
    recipe = Recipe.of("debian:13", ["git", "curl", "git"], ["true"])
    assert recipe.packages == ("curl", "git")
    assert recipe.tag == Recipe.of("debian:13", ["curl", "git"], ["true"]).tag


def test_another_recipe_has_another_tag() -> None:
    others = [("debian:12", ["git"], ["true"]), ("debian:13", [], ["true"]), ("debian:13", ["git"], [])]
    tags = {Recipe.of(*other).tag for other in others} | {Recipe.of("debian:13", ["git"], ["true"]).tag}
    assert len(tags) == 4


def test_an_archive_is_known_by_what_it_holds_not_by_its_name(tmp_path: Path) -> None:
    for name, content in (("a.tar", b"1"), ("b.tar", b"1"), ("c.tar", b"2")):
        (tmp_path / name).write_bytes(content)
    a, b, c = (Recipe.of(str(tmp_path / name), (), ()) for name in ("a.tar", "b.tar", "c.tar"))
    assert a.tag == b.tag != c.tag
    assert a.parent == b.parent != c.parent


def test_a_recipe_cannot_smuggle_in_another_instruction() -> None:
    lines = Recipe.of("debian:13", ["git"], ["echo a\nUSER 0\nVOLUME /x"]).dockerfile().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["FROM", "USER", "RUN", "RUN", "ADD"]


@pytest.mark.parametrize("package", ["git; rm -rf /", "-y", "", "a b", "$(id)"])
def test_what_is_no_package_is_refused(package: str) -> None:
    with pytest.raises(ConfigError, match="no name of a package"):
        Recipe.of("debian:13", [package], ())


@pytest.mark.parametrize(
    "base", ["", "a\nRUN x", "-x", "/no/such/file.tar", "/dev/zero", "a\0.tar", "~nobody-has-it/a"]
)
def test_what_is_no_base_is_refused(base: str) -> None:
    with pytest.raises(ConfigError, match="base"):
        Recipe.of(base, (), ())


def test_a_path_is_an_archive() -> None:
    assert [is_archive(base) for base in ("./a", "/a", "a.tar", "~/a", "debian:13", "x/y@sha256:12")] == [True] * 4 + [
        False
    ] * 2
