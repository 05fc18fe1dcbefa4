"""What is deployed to watch the server asks for metrics that there are, and says what to do."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.telemetry.metrics import METRICS, Kind
from tests.api import nonempty, running_server, settings_for
from tests.databases import Database
from tests.http.test_metrics import AUTHORIZATION, TOKEN
from tests.repository import ROOT

DEPLOY = ROOT / "deploy"
ALERTS = (DEPLOY / "alerts.yaml").read_text()
DASHBOARD = json.loads((DEPLOY / "grafana.json").read_text())
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()

OF_PROMETHEUS = {"up"}
"""What Prometheus adds itself."""

NAME = re.compile(r"\b((?:http|todo_api|db|process)_[a-z_]+|up(?=\{))(?=[\s{)\[]|$)")
"""The names of metrics in an expression; labels stand before `=`, `,` or `)`."""


def expressions() -> dict[str, str]:
    """Return all expressions, by the alert's or the panel's name."""
    alerts = re.findall(r"alert: (\w+)\n\s+expr: \|\n((?: {10,}.*\n)+)", ALERTS)
    panels = {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
    }
    return dict(alerts) | panels


def names_in(expression: str) -> set[str]:
    """Return the names of metrics, and not those of the labels that sums are grouped by."""
    ungrouped = re.sub(r"\b(by|on|without) \([^)]*\)", "", expression)
    return set(NAME.findall(ungrouped))


def test_every_metric_that_is_asked_for_is_told(database: Database) -> None:
    settings = settings_for(database.server_url, metrics="path", metrics_token=TOKEN)
    with running_server(settings) as server:
        text = server.bearer(None).http.get("/metrics", headers=AUTHORIZATION).text
    told = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)) | OF_PROMETHEUS
    for name, metric in METRICS.items():
        if metric.kind is Kind.HISTOGRAM:
            told |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    for title, expression in nonempty(expressions().items()):
        names = names_in(expression)
        assert names, title
        assert names <= told, title


def test_an_expression_asks_for_labels_that_the_metric_has() -> None:
    asked = re.findall(r"(\w+)\{([^}]*)\}", " ".join(expressions().values()))
    for name, matched in nonempty(each for each in asked if each[0] not in OF_PROMETHEUS):
        metric = METRICS[name if name in METRICS else re.sub(r"_(bucket|count|sum)$", "", name)]
        labels = re.findall(r"(\w+)(?:=~|!~|!=|=)", matched)
        assert labels, name
        assert set(labels) <= set(metric.labels), name


def test_each_alert_has_its_paragraph_and_each_paragraph_its_alert() -> None:
    alerts = re.findall(r"alert: (\w+)$", ALERTS, re.MULTILINE)
    assert len(alerts) == ALERTS.count("expr: |") == ALERTS.count("summary: ") >= 14
    section = RUNBOOK.partition("## Alerts, and what to do\n")[2].partition("\n## ")[0]
    paragraphs = dict(re.findall(r"^### (\w+)\n\n(.+?)\n\n", section + "\n\n", re.M | re.S))
    assert list(paragraphs) == alerts
    for alert in alerts:
        assert f"runbook: docs/runbook.md#{alert.lower()}\n" in ALERTS
        # It says more than the alert itself does.
        assert len(paragraphs[alert]) > 150, alert


REPLICA = """
rule_files: [{alerts}]
tests:
  - interval: 15s
    input_series:
      - {{series: 'todo_api_replica_used{{instance="idle"}}', values: 0x80}}
      - {{series: '{reads}{{instance="idle",result="answered"}}', values: 9x80}}
      - {{series: '{queries}{{instance="idle",graphql_operation_type="query"}}', values: 0+1x80}}
      - {{series: 'todo_api_replica_used{{instance="away"}}', values: 0x80}}
      - {{series: '{reads}{{instance="away",result="answered"}}', values: 9x80}}
      - {{series: '{queries}{{instance="away",graphql_operation_type="query"}}', values: 0+99x80}}
      - {{series: 'todo_api_replica_used{{instance="good"}}', values: 1x80}}
      - {{series: 'todo_api_replica_lag_seconds{{instance="good"}}', values: 1 6 1x78}}
      - {{series: '{reads}{{instance="good",result="answered"}}', values: 0+9x80}}
      - {{series: '{queries}{{instance="good",graphql_operation_type="query"}}', values: 0+99x80}}
      - {{series: 'todo_api_replica_lag_seconds{{instance="late"}}', values: 7x80}}
      - {{series: '{queries}{{instance="none",graphql_operation_type="query"}}', values: 0+99x80}}
    alert_rule_test:
      - alertname: TodoApiReplicaUnused
        eval_time: 15m
        exp_alerts:
          - exp_labels: {{severity: ticket, instance: away}}
            exp_annotations:
              summary: The replica answers nothing, though users read.
              runbook: docs/runbook.md#todoapireplicaunused
      - alertname: TodoApiReplicaLate
        eval_time: 15m
        exp_alerts:
          - exp_labels: {{severity: ticket, instance: late}}
            exp_annotations:
              summary: The replica is late, by half of what it may be.
              runbook: docs/runbook.md#todoapireplicalate
"""
CLUSTER = """
rule_files: [{alerts}]
tests:
  - interval: 15s
    input_series:
      - {{series: 'todo_api_database_nodes{{instance="a",state="away"}}', values: 0x4 1x20 0x20}}
      - {{series: 'todo_api_database_nodes{{instance="a",state="answering"}}', values: 3x44}}
      - {{series: 'todo_api_database_nodes{{instance="b",state="away"}}', values: 0x6 1x18 0x20}}
    alert_rule_test:
      - alertname: TodoApiNodeAway
        eval_time: 1m
        exp_alerts: []
      - alertname: TodoApiNodeAway
        eval_time: 4m
        exp_alerts:
          - exp_labels: {{severity: page}}
            exp_annotations:
              summary: A node of the cluster does not answer, and its users are refused.
              runbook: docs/runbook.md#todoapinodeaway
      - alertname: TodoApiNodeAway
        eval_time: 8m
        exp_alerts: []
"""
NEEDS_PROMTOOL = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool: apt prometheus"
)


@NEEDS_PROMTOOL
def test_a_replica_that_answers_nothing_is_told_of_but_not_where_next_to_nobody_reads(
    tmp_path: Path,
) -> None:
    queries = "todo_api_graphql_operation_duration_seconds_count"
    file = tmp_path / "replica.yaml"
    reads = "todo_api_replica_reads_total"
    file.write_text(REPLICA.format(alerts=DEPLOY / "alerts.yaml", queries=queries, reads=reads))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@NEEDS_PROMTOOL
def test_a_node_of_a_cluster_that_is_away_is_told_of_once(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(CLUSTER.format(alerts=DEPLOY / "alerts.yaml"))
    done = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@NEEDS_PROMTOOL
def test_prometheus_takes_its_configuration() -> None:
    done = subprocess.run(
        ["promtool", "check", "config", "prometheus.yml"],
        cwd=DEPLOY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
