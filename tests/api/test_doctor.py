import asyncio
import threading
from pathlib import Path

import pytest

from carapax.doctor import run as doctor
from carapax.doctor.finding import Finding, Patient
from carapax.testing.gateway import gateway_client
from tests.running import run


def test_the_doctor_looks_at_the_home_of_a_running_gateway_and_repairs_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    tmp_path.chmod(0o755)

    async def main() -> None:
        async with gateway_client(home=tmp_path) as gateway:
            report = await gateway.rpc("doctor.run")
            assert report["checks"] == [*doctor.CHECKS]
            assert [finding for finding in report["findings"] if finding["state"] == "fail"] == []
            fixes = [finding["fix"] for finding in report["findings"] if finding.get("fix")]
            assert fixes == [f"home:private:{tmp_path}"]
            assert await gateway.rpc("doctor.fix", fix=fixes[0]) == {"fixed": f"only you can get at {tmp_path} now"}
            again = (await gateway.rpc("doctor.run", checks=["home"]))["findings"]
            assert {(finding["check"], finding["state"]) for finding in again} == {("home", "ok")}
            async with gateway.call("GET", "/api/doctor?checks=home&checks=clock") as response:
                looked_at = {finding["check"] for finding in (await response.json())["findings"]}
            assert looked_at == {"home", "clock"}
            with pytest.raises(RuntimeError, match="nothing asks for the repair"):
                await gateway.rpc("doctor.fix", fix=fixes[0])
            with pytest.raises(RuntimeError, match="there is no check 'taste'"):
                await gateway.rpc("doctor.run", checks=["taste"])
            kinds = [each["entry"]["kind"] for each in (await gateway.rpc("audit.list"))["entries"]]
            assert kinds[0] == "doctor.fix"

    run(main())


def test_a_check_that_hangs_is_told_as_such_and_the_gateway_answers_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    blocking, answered = threading.Event(), threading.Event()

    async def hang(patient: Patient) -> list[Finding]:
        await asyncio.Event().wait()
        return []

    async def block(patient: Patient) -> list[Finding]:
        blocking.set()
        return [Finding("clock", "ok" if answered.wait(30) else "fail", "done")]  # as a check may wait for a disk

    async def main() -> None:
        async with gateway_client() as gateway, asyncio.TaskGroup() as group:
            monkeypatch.setattr(doctor, "CHECKS", {"clock": block})
            looking = group.create_task(gateway.rpc("doctor.run"))
            assert await asyncio.to_thread(blocking.wait, 30)
            assert await gateway.rpc("health") == {"status": "ok"}
            answered.set()
            assert [finding["state"] for finding in (await looking)["findings"]] == ["ok"]
            monkeypatch.setattr(doctor, "CHECKS", {"disk": hang})
            monkeypatch.setattr(doctor, "LIMIT_S", 0.2)
            assert [finding["state"] for finding in (await gateway.rpc("doctor.run"))["findings"]] == ["warn"]

    run(main())
