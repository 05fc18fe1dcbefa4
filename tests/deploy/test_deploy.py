"""The files of deploy/ can be read, name settings that exist, and agree with each other."""

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import yaml

from app.settings import Settings, read_settings
from graphql_schema.errors import ErrorCode
from tests.api import NO_CERTIFICATES, Server
from tests.repository import ROOT

DEPLOY = ROOT / "deploy"

OF_UVICORN = {"FORWARDED_ALLOW_IPS"}

OF_OTHERS = {
    "compose.yaml": {
        *("OWNER_SECRET", "SERVER_SECRET", "AUTH_SECRET", "GRAFANA_SECRET", "AUTH_PASSWORD"),
        *("POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB", "GF_SECURITY_ADMIN_PASSWORD"),
        *("AUTH_DATABASE_URL", "BETTER_AUTH", "VITE_API_URL"),
    },
    "alerts.yaml": {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"},
    "better-auth.sql": {"ON_ERROR_STOP", "AUTH_PASSWORD"},
    "Dockerfile": {
        *("UV_COMPILE_BYTECODE", "UV_LINK_MODE", "UV_PROJECT_ENVIRONMENT"),
        "UV_PYTHON_DOWNLOADS",
    },
    "todo-api.service": {"AF_INET", "AF_UNIX"},
}
"""Names in the files that are no settings of the server's."""

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES: dict[str, dict[str, Any]] = {
    each["kind"]: each for each in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())
}
POD: dict[str, Any] = KUBERNETES["Deployment"]["spec"]["template"]
CONTAINER: dict[str, Any] = POD["spec"]["containers"][0]
UNIT = (DEPLOY / "todo-api.service").read_text()
HAPROXY = (DEPLOY / "haproxy.cfg").read_text()


def program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def instructions() -> list[tuple[str, str]]:
    """Return the words of the Dockerfile and what follows each."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = (line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip())
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def in_dockerfile(word: str) -> list[str]:
    return [rest for each, rest in instructions() if each == word]


def pgbouncer() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(comment_prefixes=(";",), interpolation=None)
    parser.read_string((DEPLOY / "pgbouncer.ini").read_text())
    return parser


def option(name: str, words: list[str]) -> str:
    return words[words.index(name) + 1]


def in_unit(name: str) -> str:
    (value,) = re.findall(rf"^{name}=(.*)$", UNIT, re.MULTILINE)
    return str(value)


def environment(service: str) -> dict[str, str]:
    """Return what Compose gives a service, each password replaced."""
    given: dict[str, str] = COMPOSE["services"][service]["environment"]
    return {name: re.sub(r"\$\{\w+:\?\}", "p" * 40, value) for name, value in given.items()}


def blocks(language: str) -> list[str]:
    page = (DEPLOY / "neon.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def seconds(name: str) -> float:
    """Return the default of a setting that may be coming."""
    field = Settings.model_fields.get(name)
    decided = {"shutdown_drain_seconds": 5.0, "shutdown_grace_seconds": 10.0}
    return float(field.default) if field else decided[name]


@pytest.mark.parametrize("file", sorted(p.name for p in DEPLOY.iterdir() if p.name[0] != "."))
def test_every_name_is_a_setting(file: str) -> None:
    """Whatever is in capitals with an underscore, in comments too."""
    names = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", (DEPLOY / file).read_text()))
    settings = {name.upper() for name in Settings.model_fields}
    codes = {code.value for code in ErrorCode}
    assert names - settings - codes - OF_UVICORN - OF_OTHERS.get(file, set()) == set()


def test_the_server_can_read_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = {name.upper() for name in Settings.model_fields}
    database = {"DATABASE_URL": "postgresql://todo_api:p@db/todo"}
    (fly,) = (tomllib.loads(block)["env"] for block in blocks("toml"))
    (render,) = (yaml.safe_load(block)["services"][0]["envVars"] for block in blocks("yaml"))
    for given in (
        environment("server"),
        environment("migrate"),
        KUBERNETES["ConfigMap"]["data"] | database,
        fly | database,
        {each["key"]: each["value"] for each in render if "value" in each} | database,
    ):
        assert set(given) <= settings | OF_UVICORN | {"PORT"}
        assert all(isinstance(value, str) for value in given.values()), given
        with monkeypatch.context() as patch:
            for name in settings:
                patch.delenv(name, raising=False)
            for name, value in given.items():
                patch.setenv(name, value)
            assert read_settings(to_serve="BETTER_AUTH_URL" in given).database_url


def test_the_image_has_every_package_and_nothing_for_development() -> None:
    build = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    project = PYPROJECT["project"]
    needed = {
        *build["packages"],
        *build.get("force-include", {}),
        *project["license-files"],
        *(project["readme"], "pyproject.toml", "uv.lock"),
    }
    copied = [shlex.split(rest) for rest in in_dockerfile("COPY") if not rest.startswith("--from")]
    assert {name for *names, _ in copied for name in names} == needed
    assert all(names == [target] for *names, target in copied if target != "./")
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    assert {*needed, "schema.graphql", "examples/web"} == {
        line[1:] for line in sent if line.startswith("!")
    }
    assert sent[1] == "*"
    syncs = [run for run in in_dockerfile("RUN") if run.startswith("uv sync")]
    assert len(syncs) == 2
    assert all("--locked --no-default-groups --all-extras" in run for run in syncs)


def test_the_image_is_of_official_images_and_of_nobody() -> None:
    images = [rest.split()[0] for rest in in_dockerfile("FROM")]
    assert [re.fullmatch(r"python:3\.\d+-slim-\w+", image) is not None for image in images] == [
        True,
        True,
    ]
    assert len(set(images)) == 1
    assert in_dockerfile("USER") == ["10001:10001"]
    for pod in (POD, KUBERNETES["Job"]["spec"]["template"]):
        assert pod["spec"]["securityContext"]["runAsUser"] == 10001
        assert pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["spec"]["containers"][0]["image"].startswith("todo-api:")


def test_ports_agree() -> None:
    (exposed,) = in_dockerfile("EXPOSE")
    (health,) = in_dockerfile("HEALTHCHECK")
    assert f"http://127.0.0.1:{exposed}/health" in health
    server = COMPOSE["services"]["server"]
    ports = {each["name"]: each["containerPort"] for each in CONTAINER["ports"]}
    for words in (
        json.loads(in_dockerfile("CMD")[0]),
        server["command"],
        CONTAINER["args"],
        in_unit("ExecStart").split(),
    ):
        assert option("--port", words) == exposed
    assert f"127.0.0.1:{exposed}:{exposed}" in server["ports"]
    assert ports["http"] == int(exposed)
    assert KUBERNETES["Service"]["spec"]["ports"][0]["targetPort"] == "http"
    (fly,) = blocks("toml")
    assert tomllib.loads(fly)["http_service"]["internal_port"] == int(exposed)
    assert f'- key: PORT\n        value: "{exposed}"' in blocks("yaml")[0]

    metrics = {environment("server")["METRICS"], KUBERNETES["ConfigMap"]["data"]["METRICS"]}
    assert metrics == {f"0.0.0.0:{ports['metrics']}"}
    assert POD["metadata"]["annotations"]["prometheus.io/port"] == str(ports["metrics"])
    scraped = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])["scrape_configs"]
    (target,) = scraped[0]["static_configs"][0]["targets"]
    assert target == f"server:{ports['metrics']}"


def test_databases_agree() -> None:
    bouncer = pgbouncer()
    assert bouncer["pgbouncer"]["pool_mode"] == "transaction"
    assert int(bouncer["pgbouncer"]["max_prepared_statements"]) > 0
    direct = re.fullmatch(r"host=(\w+) port=(\d+) dbname=(\w+)", bouncer["databases"]["todo"])
    assert direct is not None
    owner = COMPOSE["services"]["postgres"]["environment"]
    pooled = ("pgbouncer", int(bouncer["pgbouncer"]["listen_port"]), "/todo")
    unpooled = (direct[1], int(direct[2]), f"/{direct[3]}")
    role = Settings.model_fields["database_role"].default
    for service, name, user, place in (
        ("server", "DATABASE_URL", role, pooled),
        ("server", "LISTEN_DATABASE_URL", role, unpooled),
        ("migrate", "DATABASE_URL", role, pooled),
        ("migrate", "MIGRATION_DATABASE_URL", owner["POSTGRES_USER"], unpooled),
        ("auth-role", "MIGRATION_DATABASE_URL", owner["POSTGRES_USER"], unpooled),
        ("web", "AUTH_DATABASE_URL", "better_auth", unpooled),
    ):
        url = urlsplit(environment(service)[name])
        assert (url.username, (url.hostname, url.port, url.path)) == (user, place), name
    assert owner["POSTGRES_DB"] == direct[3]
    assert f'"{role}" ' in COMPOSE["configs"]["pgbouncer_users"]["content"]
    assert "MIGRATION_DATABASE_URL" not in environment("server")


def test_what_probes_ask_is_answered(server: Server) -> None:
    probes = {
        name: CONTAINER[f"{name}Probe"]["httpGet"]["path"]
        for name in ("startup", "liveness", "readiness")
    }
    assert probes == {"startup": "/health", "liveness": "/health", "readiness": "/ready"}
    assert re.findall(r"http-check send meth GET uri (\S+)", HAPROXY) == ["/ready", "/health"]
    for path in set(probes.values()):
        assert httpx2.get(server.url + path, verify=NO_CERTIFICATES).status_code == 200
    startup = CONTAINER["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 60
    readiness = CONTAINER["readinessProbe"]
    noticed = readiness["periodSeconds"] * readiness["failureThreshold"]
    assert noticed < seconds("shutdown_drain_seconds")


def test_a_server_may_take_the_time_that_it_needs_to_stop() -> None:
    needed = seconds("shutdown_drain_seconds") + seconds("shutdown_grace_seconds") + 5
    (fly,) = blocks("toml")
    assert {
        POD["spec"]["terminationGracePeriodSeconds"],
        int(COMPOSE["services"]["server"]["stop_grace_period"].removesuffix("s")),
        int(in_unit("TimeoutStopSec")),
        tomllib.loads(fly)["kill_timeout"],
        yaml.safe_load(blocks("yaml")[0])["services"][0]["maxShutdownDelaySeconds"],
    } == {needed}
    start = float(Settings.model_fields["worker_start_seconds"].default)
    assert float(in_unit("TimeoutStartSec")) > start
    timeout = re.search(r"timeout server (\d+)s", HAPROXY)
    assert timeout is not None
    assert float(timeout[1]) > Settings.model_fields["request_timeout"].default


def test_every_file_that_compose_names_is_there() -> None:
    services = COMPOSE["services"].values()
    named = {each["file"] for each in COMPOSE["configs"].values() if "file" in each}
    mounts = [mount.split(":")[0] for service in services for mount in service.get("volumes", [])]
    named |= {mount.removeprefix("./") for mount in mounts if mount.startswith("./")}
    builds = [service["build"] for service in services if "build" in service]
    dockerfiles = [build for build in builds if "dockerfile" in build]
    assert {(DEPLOY / each["context"] / each["dockerfile"]).resolve() for each in dockerfiles} == {
        DEPLOY / "Dockerfile"
    }
    missing = {name for name in named if not (DEPLOY / name).exists()}
    assert missing == set()


def test_every_file_is_on_a_page_about_running() -> None:
    pages = ((ROOT / "docs" / f"{page}.md").read_text() for page in ("deploying", "operations"))
    linked = set(re.findall(r"\]\(\.\./deploy/([\w.-]+)\)", "".join(pages)))
    here = {file.name for file in DEPLOY.iterdir() if file.name[0] != "."}
    assert linked == here


@pytest.mark.skipif(program("haproxy") is None, reason="needs haproxy: apt install haproxy")
def test_haproxy_takes_its_file() -> None:
    command = [str(program("haproxy")), "-c", "-f", str(DEPLOY / "haproxy.cfg")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr


@pytest.mark.skipif(program("systemd-analyze") is None, reason="needs systemd-analyze")
def test_the_unit_gives_the_server_little_to_do_harm_with(tmp_path: Path) -> None:
    """`systemd-analyze` counts exposure in tenths: 20 is 2.0."""
    analyze = str(program("systemd-analyze"))
    unit = str(DEPLOY / "todo-api.service")
    command = [analyze, "security", "--offline=true", "--threshold=20", "--no-pager", unit]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    installed = tmp_path / "todo-api.service"
    installed.write_text(UNIT.replace("/opt/todo-api/bin/todo-api", "/bin/true"))
    done = subprocess.run([analyze, "verify", installed], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    settings = ("DynamicUser", "NoNewPrivileges", "ProtectSystem", "LimitNOFILE", "Type")
    assert [in_unit(name) for name in settings] == ["yes", "yes", "strict", "65536", "notify"]
