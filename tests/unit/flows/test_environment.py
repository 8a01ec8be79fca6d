"""Prefect's settings for a run."""

from pathlib import Path

from prefect.settings.models.server.services import ServerServicesSettings

from prefect_azure_batch.flows.environment import RECORDING

PAGE = Path(__file__).resolve().parents[3] / "docs" / "server.md"
SERVICES = ("task_run_recorder", "event_persister", "triggers")


def test_the_page_of_servers_says_what_is_set_and_what_prefect_has_instead() -> None:
    page, services = PAGE.read_text(encoding="utf-8"), ServerServicesSettings()
    for name, value in RECORDING.items():
        words = name.removeprefix("PREFECT_SERVER_SERVICES_").lower()
        (service,) = (each for each in SERVICES if words.startswith(f"{each}_"))
        field = type(getattr(services, service)).model_fields[words.removeprefix(f"{service}_")]
        assert f"| `{name}` | {field.default:g} | {value} |" in page
