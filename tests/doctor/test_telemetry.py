"""What the doctor says of logs and collectors."""

from pathlib import Path

from carapax.config import Config, Home, TelemetryConfig
from carapax.doctor.checks.telemetry import check
from carapax.doctor.finding import Finding, Patient
from carapax.vault import open_vault
from tests.fakes.collector import Reply, collector
from tests.running import run


async def found(home: Home, telemetry: TelemetryConfig) -> list[tuple[str, str]]:
    patient = Patient(home, Config(telemetry=telemetry), {}, open_vault(home, {}))
    findings: list[Finding] = await check(patient)
    assert all(finding.remedy for finding in findings if finding.state != "ok")
    return [(finding.state, finding.message) for finding in findings]


def test_it_says_where_the_log_is_and_whether_the_collector_answers(tmp_path: Path) -> None:
    async def scene() -> None:
        home = Home(tmp_path, tmp_path)
        log = ("ok", f"the log is in {tmp_path / 'logs'}")
        assert await found(home, TelemetryConfig()) == [log]
        async with collector(Reply(), Reply(404)) as server:
            ok = ("ok", f"traces and metrics go to {server.url}")
            assert await found(home, TelemetryConfig(server.url)) == [log, ok]
            no = ("warn", f"{server.url} is no collector: it answers 404")
            assert await found(home, TelemetryConfig(server.url)) == [log, no]
        gone = await found(home, TelemetryConfig("http://127.0.0.1:1", {"x-team": "missing"}))
        assert gone[1] == ("fail", "there is no secret 'missing' for the header x-team")
        assert gone[2][1].startswith("the collector does not answer: no connection to http://127.0.0.1:1")

    run(scene())


def test_a_log_that_cannot_be_written_or_that_others_can_read_is_told(tmp_path: Path) -> None:
    async def scene() -> None:
        home = Home(tmp_path, tmp_path)
        home.log_folder.mkdir(mode=0o755)
        home.log_folder.chmod(0o755)
        assert await found(home, TelemetryConfig()) == [("warn", f"other users can get at {home.log_folder}")]
        home.log_folder.rmdir()
        home.log_folder.write_text("a file")
        assert await found(home, TelemetryConfig()) == [("fail", f"the log cannot be written to {home.log_folder}")]

    run(scene())
