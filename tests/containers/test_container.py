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
