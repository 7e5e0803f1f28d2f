"""Every setting as a row: name, type, default, help. Read once, at start; code receives values.

Sources, strongest first: command-line options, environment (``ST_OPS_STORE__URL``), ``st_ops.toml``
(in the home folder, or the file ``ST_OPS_CONFIG`` names), the defaults below.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from st_ops.errors import UserError
from st_ops.setting_names import DELIMITER, unknown_in_environment, unknown_in_file, variable_of


class Section(BaseModel):
    """One table of the settings file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(Section):
    """The HTTP server."""

    bind: str = Field("127.0.0.1", description="Address the API listens on.")
    port: int = Field(9101, ge=0, le=65535, description="Port the API listens on; 0 picks a free one.")
    url: str = Field(
        "", description="URL at which actions on any host reach the API; empty means bind and port."
    )


class StoreSettings(Section):
    """Where the truth is kept."""

    url: str = Field("", description="SQLAlchemy URL; empty means SQLite in the home folder.")
    synchronous: Literal["full", "normal"] = Field(
        "full",
        description="SQLite only: 'full' survives a power cut; 'normal' may lose the last commits in one.",
    )
    pool_size: int = Field(10, ge=1, description="PostgreSQL connections per process.")


class BusSettings(Section):
    """How processes wake one another."""

    url: str = Field(
        "memory://", description="kombu URL: memory://, redis://host/0 or amqp://user:password@host//"
    )
    sweep_seconds: float = Field(
        1.0, gt=0, description="Every engine looks into the store this often even when no bell rang."
    )


class IntakeSettings(Section):
    """The door for events."""

    max_body_bytes: int = Field(1_048_576, ge=1, description="Largest body of a webhook, in bytes.")
    rejected_body_bytes: int = Field(
        4_096, ge=0, description="How much of a rejected body is kept, in bytes."
    )


class RulesSettings(Section):
    """The rules engine."""

    batch: int = Field(500, ge=1, description="Most events matched in one transaction.")


class WorkerSettings(Section):
    """The processes that run actions."""

    slots: int = Field(16, ge=1, description="Actions that one worker runs at the same time.")
    queues: list[str] = Field(
        default_factory=lambda: ["default"], description="Queues this worker takes work from."
    )
    labels: list[str] = Field(default_factory=list, description="Labels this worker offers, as name=value.")
    lease_seconds: float = Field(
        15.0, gt=0, description="A worker silent for this long has lost its executions."
    )
    heartbeat_seconds: float = Field(3.0, gt=0, description="How often a worker extends its lease.")
    grace_seconds: float = Field(3.0, ge=0, description="Between SIGTERM and SIGKILL of a stopped action.")
    drain_seconds: float = Field(
        10.0, ge=0, description="At shutdown, how long running actions may go on before they are stopped."
    )
    output_bytes: int = Field(10_485_760, ge=0, description="Most output kept of one execution, in bytes.")
    result_bytes: int = Field(67_108_864, ge=0, description="Largest result kept, in bytes.")


class LimitsSettings(Section):
    """What one run of an action may use when its own limits do not say; 0 is no limit.

    The first four hold for each of its processes, and for a container as a whole.
    """

    memory_mb: float = Field(
        4096,
        ge=0,
        description="Memory in MB (heap and other private data); one that asks for more fails with the reason.",
    )
    cpu_seconds: int = Field(0, ge=0, description="CPU time in seconds.")
    open_files: int = Field(0, ge=0, description="Descriptors open at once.")
    file_mb: float = Field(0, ge=0, description="Size of each file it writes, in MB.")
    processes: int = Field(
        1000, ge=0, description="Processes at once, counted five times a second; one with more is killed."
    )


class SensorSettings(Section):
    """The processes that watch."""

    enabled: bool = Field(True, description="Run sensors at all.")
    respawn_seconds: float = Field(
        2.5, gt=0, description="First pause before a dead sensor is started again."
    )
    respawn_limit_seconds: float = Field(
        60.0, gt=0, description="Longest pause before a dead sensor is started again."
    )
    lease_seconds: float = Field(
        15.0, gt=0, description="Sensors of a container silent for this long are taken over by another one."
    )
    grace_seconds: float = Field(5.0, ge=0, description="Between SIGTERM and SIGKILL of a stopped sensor.")
    log_lines_per_second: float = Field(
        50.0, gt=0, description="Lines of one sensor's output that are logged; more are counted and dropped."
    )
    environment: list[str] = Field(
        default_factory=lambda: [
            "HOME", "LANG", "LANGUAGE", "LC_*", "LOGNAME", "PATH", "SHELL", "TMPDIR", "TZ", "USER",
            "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
            "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE",
        ],
        description="Variables of the platform's environment that sensors see; a name ending in * is a prefix.",
    )  # fmt: skip


class SchedulesSettings(Section):
    """The timers: core.st2.IntervalTimer, DateTimer and CronTimer."""

    timezone: str = Field("UTC", description="Time zone of timers that name none.")
    catch_up_seconds: float = Field(
        60.0,
        ge=0,
        description="After a downtime, the last missed slot of a timer fires when it is younger than this.",
    )


class PacksSettings(Section):
    """Where content comes from."""

    dirs: list[str] = Field(default_factory=list, description="Folders of packs, beside the shipped ones.")
    configs: str = Field("", description="Folder of pack configs; empty means configs/ in the home folder.")


class SshSettings(Section):
    """The SSH runner."""

    known_hosts: str = Field("~/.ssh/known_hosts", description="Host keys that are trusted.")
    key: str = Field("~/.ssh/id_rsa", description="Private key used when an action names none.")
    user: str = Field(
        "", description="User name used when an action names none; empty means the present one."
    )
    parallel: int = Field(50, ge=1, description="Hosts worked on at once by one execution.")
    allow_partial_failure: bool = Field(False, description="Succeed when at least one host succeeded.")
    check_host_keys: bool = Field(True, description="Refuse a host whose key is not known.")


class ContainerSettings(Section):
    """The container runner."""

    engine: str = Field(
        "",
        description="Client of the engine, a name or a path; empty means docker or podman, whichever is found.",
    )


class ArtifactSettings(Section):
    """Files that actions leave in their artifact folder (ST_OPS_ARTIFACTS)."""

    url: str = Field(
        "",
        description="Where they are kept: file:///folder or s3://bucket/prefix; empty means artifacts/ in the home "
        "folder. A folder is for one host, or one that all hosts mount; otherwise use S3.",
    )
    endpoint_url: str = Field("", description="S3 only: another server than AWS (MinIO, Ceph …).")
    region: str = Field("", description="S3 only: the bucket's region; empty means as boto3 finds it.")
    file_bytes: int = Field(1_073_741_824, ge=0, description="Largest file kept, in bytes.")
    execution_bytes: int = Field(
        4_294_967_296, ge=0, description="Most bytes kept of one execution, all files together."
    )
    files: int = Field(1_000, ge=0, description="Most files kept of one execution.")


class RetentionSettings(Section):
    """How long what happened is kept, in days since its end; 0 keeps it for ever."""

    execution_days: float = Field(
        30, ge=0, description="Executions with all they started, their results and their run keys."
    )
    output_days: float = Field(14, ge=0, description="What executions printed.")
    artifact_days: float = Field(
        30, ge=0, description="Artifacts; they go with their execution at the latest."
    )
    event_days: float = Field(14, ge=0, description="Events, and what the rules made of them.")
    rejected_days: float = Field(14, ge=0, description="What could not become an event.")
    audit_days: float = Field(365, ge=0, description="The audit log.")
    batch: int = Field(
        500, ge=1, description="Most rows deleted in one transaction; fewer where that takes long."
    )
    pause_seconds: float = Field(0.05, ge=0, description="Least rest between two such transactions.")
    interval_seconds: float = Field(60.0, gt=0, description="How often it is looked for what is old.")


class MetricsSettings(Section):
    """Figures for Prometheus of processes that do not serve the API, whose own are at /metrics."""

    port: int = Field(
        0, ge=0, le=65535, description="Port of GET /metrics, which needs no token; 0 answers nowhere."
    )
    bind: str = Field("127.0.0.1", description="Address it listens on.")


class LogSettings(Section):
    """What the processes say of themselves."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least level that is logged."
    )
    form: Literal["text", "json"] = Field(
        "text", description="One line of text, or one JSON object, an entry."
    )


class Settings(BaseSettings):
    """All settings of one process."""

    model_config = SettingsConfigDict(
        env_prefix="ST_OPS_",
        env_nested_delimiter=DELIMITER,
        frozen=True,
        extra="forbid",
        nested_model_default_partial_update=True,
    )

    home: Path = Field(
        Path("~/.st-ops"), description="Folder of the database, keys, tokens, configs and virtualenvs."
    )
    server: ServerSettings = Field(default_factory=ServerSettings)
    store: StoreSettings = Field(default_factory=StoreSettings)
    bus: BusSettings = Field(default_factory=BusSettings)
    intake: IntakeSettings = Field(default_factory=IntakeSettings)
    rules: RulesSettings = Field(default_factory=RulesSettings)
    worker: WorkerSettings = Field(default_factory=WorkerSettings)
    limits: LimitsSettings = Field(default_factory=LimitsSettings)
    sensors: SensorSettings = Field(default_factory=SensorSettings)
    schedules: SchedulesSettings = Field(default_factory=SchedulesSettings)
    packs: PacksSettings = Field(default_factory=PacksSettings)
    ssh: SshSettings = Field(default_factory=SshSettings)
    containers: ContainerSettings = Field(default_factory=ContainerSettings)
    artifacts: ArtifactSettings = Field(default_factory=ArtifactSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    logs: LogSettings = Field(default_factory=LogSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before the values handed to the constructor, which come from the file (see ``load``)."""
        # Whole tables are not read from a variable: ST_OPS_ARTIFACTS is what a running action sees.
        assert isinstance(env_settings, EnvSettingsSource)
        env_settings.env_vars = {key: text for key, text in env_settings.env_vars.items() if DELIMITER in key}
        return env_settings, init_settings

    @property
    def store_url(self) -> str:
        """The store's URL with its default filled in."""
        return self.store.url or f"sqlite:///{self.home / 'st_ops.db'}"

    @property
    def configs_dir(self) -> Path:
        """Where pack configs lie."""
        return Path(self.packs.configs).expanduser() if self.packs.configs else self.home / "configs"


def load(overrides: dict[str, Any] | None = None) -> Settings:
    """Settings of this process; ``overrides`` (nested, from the command line) win over everything.

    Raises UserError naming the setting, what it was and what was expected.
    """
    given = overrides or {}
    home = Path(given.get("home") or os.environ.get("ST_OPS_HOME") or "~/.st-ops").expanduser().absolute()
    path = Path(os.environ.get("ST_OPS_CONFIG", home / "st_ops.toml")).expanduser()
    try:
        values = tomllib.loads(path.read_text()) if path.is_file() else {}
    except (OSError, ValueError) as exc:
        raise UserError(f"{path}: is not valid TOML: {exc}") from exc
    known = names()
    if unknown := unknown_in_file(values, known):
        raise UserError(f"{path}: {unknown}")
    if unknown := unknown_in_environment(os.environ, known):
        raise UserError(unknown)
    try:
        # The environment source fills what neither file nor command line says; then the command line wins.
        base = Settings(**values)
    except ValidationError as exc:
        raise UserError(_what_is_wrong(exc, path)) from exc
    except SettingsError as exc:
        raise UserError(_what_is_no_json()) from exc
    try:
        return base.model_copy(update=_merged(base, {**given, "home": home}))
    except ValidationError as exc:
        first = exc.errors()[0]
        raise UserError(f"Setting '{_dotted(first)}' (from the command line): {first['msg']}.") from exc


def names() -> dict[str, frozenset[str]]:
    """Table → the names of its settings."""
    sections = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {
        name: frozenset(section.model_fields)
        for name, section in sections.items()
        if isinstance(section, type) and issubclass(section, Section)
    }


def _dotted(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"])


def _what_is_wrong(failure: ValidationError, path: Path) -> str:
    first = failure.errors()[0]
    table, name = [*map(str, first["loc"]), ""][:2]
    variable = next((key for key in os.environ if key.upper() == variable_of(table, name)), "")
    return f"Setting '{_dotted(first)}' (from {variable or path}): {first['msg']}."


def _what_is_no_json() -> str:
    """Which variable of a list does not hold JSON."""
    for table, section in Settings.model_fields.items():
        for name, field in getattr(section.annotation, "model_fields", {}).items():
            for key in os.environ:
                if key.upper() == variable_of(table, name) and "list" in str(field.annotation):
                    return f'The environment variable {key} must hold a list in JSON, such as ["a", "b"].'
    return 'An environment variable of a list must hold it in JSON, such as ["a", "b"].'


def _merged(base: Settings, given: dict[str, Any]) -> dict[str, Any]:
    update: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        present = getattr(base, name)
        if isinstance(present, Section):
            known = {key: entry for key, entry in value.items() if entry is not None}
            update[name] = type(present).model_validate({**present.model_dump(), **known})
        else:
            update[name] = value
    return update
