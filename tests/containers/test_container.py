"""The one configuration that containers have."""

from typing import Any

from carapax.containers.container import Allowance, template


def test_the_configuration_is_closed() -> None:
    whole: dict[str, Any] = template("image", "volume", {"a": "b"}, Allowance())
    host = whole["HostConfig"]
    assert host["Mounts"] == [{"Type": "volume", "Source": "volume", "Target": "/data"}]
    assert (host["Memory"], host["MemorySwap"], host["NanoCpus"]) == (384 << 20, 384 << 20, 150_000_000)
    assert (host["CapDrop"], host["ReadonlyRootfs"], host["NetworkMode"]) == (["ALL"], True, "none")
    assert host["SecurityOpt"][0] == "no-new-privileges"
    assert host["Tmpfs"]["/tmp"].startswith("rw,noexec,nosuid,nodev,")
    opening = {"Binds", "Devices", "CapAdd", "PidMode", "UsernsMode", "VolumesFrom", "ExtraHosts", "CgroupParent"}
    assert opening.isdisjoint(host)
    assert not {"Volumes", "ExposedPorts", "MacAddress"} & set(whole)


def test_what_a_relaxed_container_has_besides_is_one_folder_that_it_cannot_write_to() -> None:
    strict: dict[str, Any] = template("image", "volume", {}, Allowance())
    relaxed: dict[str, Any] = template("image", "volume", {}, Allowance(), "/a/folder")
    folder = relaxed["HostConfig"]["Mounts"].pop()
    assert relaxed == strict
    assert (folder["Source"], folder["Target"], folder["ReadOnly"]) == ("/a/folder", "/passing", True)
