from msgspec.structs import replace

from carapax.cli.background import Background
from carapax.cli.serving import serve
from carapax.cli.settingup import change, finish, look_at
from carapax.config import Home
from carapax.configfile import load
from carapax.personas import Personas


def test_a_home_is_seen_the_same_with_and_without_its_gateway(home: Home) -> None:
    home.run_file.parent.mkdir(parents=True)
    Personas(home.personas).write("main", "# Ada")
    change(home, {("user", "name"): "Sam", ("agents", "main", "sandbox"): "local"})
    alone = look_at(home)
    assert (alone.title, alone.user, alone.missing) == ("Ada", "Sam", ("owner", "model"))
    with Background(serve(home, load(home))):
        served = look_at(home)
        change(home, {("user", "name"): "Eve"})
        finish(home)
        assert (look_at(home).user, look_at(home).finished) == ("Eve", True)
    assert replace(served, wanted=False, model_reason="") == replace(alone, model_reason="")
