"""Whether carapax.toml can be used, and is safe."""

from carapax.configcheck import check as check_configuration
from carapax.configfile import warnings
from carapax.doctor.finding import Finding, Patient
from carapax.errors import ConfigError

NAME = "configuration"


async def check(patient: Patient) -> list[Finding]:
    file = patient.home.config_file
    try:
        config = check_configuration(patient.home)
    except ConfigError as error:
        return [Finding(NAME, "fail", line, error.hint or f"correct {file}") for line in error.message.split("\n")]
    found = [Finding(NAME, "warn", warning, f"correct {file}") for warning in warnings(config)]
    return found or [Finding(NAME, "ok", f"{file}" if file.exists() else "no file yet, so the defaults")]
