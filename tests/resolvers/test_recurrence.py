"""Rules of recurrence: what is taken and what is refused, and how they are shown."""

import random
from datetime import date, datetime, time
from typing import Any

import pytest
from dateutil.rrule import rrulestr

from models.rrule import RuleRefused, read, written
from tests.api import Caller, Server, issues
from tests.database.test_next_due import random_case, series

RECURRENCE = (
    "recurrence { every unit weekdays ordinal monthDay month from start until remaining rrule } "
)
READ = f"""query ($id: ID!, $after: Date, $first: Int! = 1) {{
  task(id: $id) {{ dueOn recurrence {{ next(after: $after, first: $first) }} {RECURRENCE} }}
}}"""
CREATE = f"""mutation ($input: CreateTaskInput!) {{ createTask(input: $input) {{
  ... on Task {{ id version {RECURRENCE} }} ... on InvalidInput {{ issues {{ path code message }} }}
}} }}"""
UPDATE = CREATE.replace("CreateTaskInput", "UpdateTaskInput").replace("createTask", "updateTask")
DAY = "2028-01-31"


def created(user: Caller, recurrence: Any, **rest: Any) -> Any:
    values = {"title": "water", "dueOn": DAY, "recurrence": recurrence, **rest}
    return user.data(CREATE, input=values)["createTask"]


def updated(user: Caller, id: str, **values: Any) -> Any:
    return user.data(UPDATE, input={"id": id, **values})["updateTask"]


def days(user: Caller, id: str, **arguments: Any) -> list[str]:
    task = user.data(READ, id=id, **arguments)["task"]
    found: list[str] = task["recurrence"]["next"]
    return found


def test_a_rule_is_shown_as_it_was_given(server: Server) -> None:
    user = server.user()
    rule = {"every": 3, "unit": "MONTH", "monthDay": 31, "until": "2029-12-31"}
    shown = created(user, {"rule": rule})["recurrence"]
    assert shown == {
        **rule,
        **dict.fromkeys(("ordinal", "month", "remaining")),
        "weekdays": [],
        "from": "DUE",
        "start": DAY,
        "rrule": "FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=-1;UNTIL=20291231",
    }
    days_of_week = {"unit": "WEEK", "weekdays": ["THURSDAY", "MONDAY", "MONDAY"], "remaining": 2}
    shown = created(user, {"rule": days_of_week})["recurrence"]
    assert (shown["weekdays"], shown["remaining"], shown["every"]) == (
        *(["MONDAY", "THURSDAY"], 2),
        1,
    )
    assert user.data(
        "query ($id: ID!) { task(id: $id) { recurrence { every } } }", id=user.create()["id"]
    )["task"] == {"recurrence": None}


RULES: list[tuple[dict[str, Any], str]] = [
    ({"unit": "DAY", "every": 0}, "every"),
    ({"unit": "DAY", "every": 1000}, "every"),
    ({"unit": "DAY", "weekdays": ["MONDAY"]}, "weekdays"),
    ({"unit": "WEEK", "weekdays": []}, "weekdays"),
    ({"unit": "MONTH", "weekdays": ["MONDAY"]}, "weekdays"),
    ({"unit": "YEAR", "weekdays": ["MONDAY"]}, "weekdays"),
    ({"unit": "WEEK", "weekdays": ["MONDAY"], "from": "COMPLETION"}, "weekdays"),
    ({"unit": "MONTH", "ordinal": 1}, "ordinal"),
    ({"unit": "DAY", "ordinal": 1}, "ordinal"),
    ({"unit": "WEEK", "ordinal": 1, "weekdays": ["MONDAY"]}, "ordinal"),
    ({"unit": "MONTH", "ordinal": 0, "weekdays": ["MONDAY"]}, "ordinal"),
    ({"unit": "MONTH", "ordinal": 5, "weekdays": ["MONDAY"]}, "ordinal"),
    ({"unit": "MONTH", "ordinal": -2, "weekdays": ["MONDAY"]}, "ordinal"),
    ({"unit": "MONTH", "ordinal": 1, "weekdays": ["MONDAY"], "monthDay": 3}, "monthDay"),
    ({"unit": "MONTH", "monthDay": 0}, "monthDay"),
    ({"unit": "MONTH", "monthDay": 32}, "monthDay"),
    ({"unit": "WEEK", "monthDay": 1}, "monthDay"),
    ({"unit": "MONTH", "month": 1}, "month"),
    ({"unit": "YEAR", "month": 13}, "month"),
    ({"unit": "DAY", "remaining": 0}, "remaining"),
    ({"unit": "DAY", "remaining": 10000}, "remaining"),
    ({"unit": "DAY", "until": "2028-01-30"}, "until"),
]


@pytest.mark.parametrize(("rule", "field"), RULES)
def test_a_rule_that_means_nothing_is_refused_by_its_field(
    server: Server, rule: dict[str, Any], field: str
) -> None:
    user = server.user()
    refused = [(f"recurrence.rule.{field}", "INVALID")]
    assert issues(created(user, {"rule": rule})) == refused
    id = user.create(dueOn=DAY)["id"]
    assert issues(updated(user, id, recurrence={"rule": rule})) == refused
    assert issues(updated(user, id, dueOn=DAY, recurrence={"rule": rule})) == refused
    assert user.get(id)["version"] == 1
    many = user.create_many(
        {"title": "a"}, {"title": "b", "dueOn": DAY, "recurrence": {"rule": rule}}
    )
    assert issues(many) == [(f"tasks.1.recurrence.rule.{field}", "INVALID")]


def test_a_rule_needs_a_day_and_a_task_at_the_top(server: Server) -> None:
    user, daily = server.user(), {"rrule": "FREQ=DAILY"}
    no_day, below = [("dueOn", "REQUIRED")], [("recurrence", "INVALID")]
    assert issues(created(user, daily, dueOn=None)) == no_day
    parent, task = user.create(), user.create(dueOn=DAY)
    assert issues(created(user, daily, parentId=parent["id"])) == below
    assert issues(updated(user, parent["id"], recurrence=daily)) == no_day
    assert issues(updated(user, task["id"], recurrence=daily, dueOn=None)) == no_day
    child = user.create(parentId=parent["id"], dueOn=DAY)
    assert issues(updated(user, child["id"], recurrence=daily)) == below
    assert "issues" not in updated(user, task["id"], recurrence=daily)
    # What recurs keeps its day, and stays at the top.
    assert issues(updated(user, task["id"], dueOn=None)) == no_day
    assert issues(user.update_many(ids=[task["id"], parent["id"]], dueOn=None)) == no_day
    moved = user.move(id=task["id"], parentId=parent["id"])
    assert issues(moved) == [("parentId", "INVALID")]
    assert user.get(task["id"])["version"] == 4
    cleared = updated(user, task["id"], dueOn=None, recurrence=None)
    assert (cleared["recurrence"], user.get(task["id"])["dueOn"]) == (None, None)


def test_a_rule_that_ends_too_early_as_text_is_refused_as_text(server: Server) -> None:
    user = server.user()
    early = {"rrule": "FREQ=DAILY;UNTIL=20280130"}
    assert issues(created(user, early)) == [("recurrence.rrule", "INVALID")]
    id = user.create(dueOn=DAY)["id"]
    assert issues(updated(user, id, recurrence=early)) == [("recurrence.rrule", "INVALID")]


def test_a_series_begins_where_its_rule_was_set(server: Server) -> None:
    user, monthly = server.user(), {"rule": {"unit": "MONTH"}}
    task = created(user, monthly)
    postponed = updated(user, task["id"], dueOn="2028-02-03")
    assert postponed["recurrence"]["start"] == DAY
    assert days(user, task["id"], first=2) == ["2028-02-29", "2028-03-31"]
    # Another title leaves the rule, and the same rule again begins on the day of now.
    assert updated(user, task["id"], title="x")["recurrence"]["start"] == DAY
    assert updated(user, task["id"], recurrence=monthly)["recurrence"]["start"] == "2028-02-03"
    assert days(user, task["id"]) == ["2028-03-03"]
    version = user.get(task["id"])["version"]
    assert updated(user, task["id"], recurrence=monthly)["version"] == version


def test_days_to_come_end_with_the_rule(server: Server) -> None:
    user = server.user()
    daily = created(user, {"rule": {"unit": "DAY"}})["id"]
    assert len(days(user, daily, first=100)) == 100
    assert days(user, daily, first=2, after="2028-02-28") == ["2028-02-29", "2028-03-01"]
    ends = created(user, {"rule": {"unit": "DAY", "until": "2028-02-02"}})["id"]
    assert days(user, ends, first=100) == ["2028-02-01", "2028-02-02"]
    assert days(user, ends, first=100, after="2028-02-02") == []
    few = created(user, {"rule": {"unit": "DAY", "remaining": 3}})["id"]
    assert days(user, few, first=100) == ["2028-02-01", "2028-02-02"]
    for first in (0, 101):
        answer = user.execute(READ, {"id": daily, "first": first})
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


ROUND = [
    "FREQ=DAILY",
    "FREQ=DAILY;INTERVAL=3;COUNT=60",
    "FREQ=WEEKLY;BYDAY=MO",
    "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH;UNTIL=20301231",
    "FREQ=MONTHLY;BYMONTHDAY=15",
    "FREQ=MONTHLY;BYMONTHDAY=28,29;BYSETPOS=-1",
    "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1",
    "FREQ=MONTHLY;BYMONTHDAY=-1",
    "FREQ=MONTHLY;BYDAY=-1FR",
    "FREQ=MONTHLY;BYDAY=2TU",
    "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
    "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=28,29;BYSETPOS=-1",
    "FREQ=YEARLY;INTERVAL=2;BYMONTH=11;BYDAY=4TH",
]


@pytest.mark.parametrize("text", ROUND)
def test_a_text_comes_out_as_it_went_in_and_means_the_same_elsewhere(
    server: Server, text: str
) -> None:
    user = server.user()
    task = created(user, {"rrule": text})
    assert task["recurrence"]["rrule"] == text
    begin = datetime.combine(date.fromisoformat(DAY), time())
    series: Any = rrulestr(text, dtstart=begin)
    theirs = [str(day.date()) for day in series[:60]]
    if "COUNT" in text:
        # The task is one of them, be it on a day of the series or not.
        assert theirs.pop(0) == DAY
    later = [day for day in theirs if day > DAY][:50]
    assert days(user, task["id"], first=50) == later


def test_any_rule_comes_out_as_a_text_that_means_it(long: bool) -> None:
    chance = random.Random(None if long else 16)
    tried = 0
    for _ in range(20_000 if long else 1_000):
        rule, _, _ = random_case(chance)
        text = written(rule)
        if text is None:
            assert rule["from"] == "COMPLETION" or {"until", "remaining"} <= rule.keys()
            continue
        start = date.fromisoformat(rule["start"])
        # What the rule leaves to its first day is told in the text.
        told = dict(rule)
        del told["start"]
        if rule["unit"] == "WEEK":
            told.setdefault("weekdays", [start.isoweekday()])
        if rule["unit"] in ("MONTH", "YEAR") and "ordinal" not in rule:
            told.setdefault("monthDay", start.day)
        if rule["unit"] == "YEAR":
            told.setdefault("month", start.month)
        assert read(text) == told, text
        endless = text.partition(";COUNT")[0].partition(";UNTIL")[0]
        theirs: Any = rrulestr(endless, dtstart=datetime.combine(start, time()))
        assert theirs[:5] == series(rule)[:5], text
        tried += 1
    assert tried > 100


@pytest.mark.parametrize(
    ("text", "as_written"),
    [
        (" rrule:byday=th,mo;freq=weekly ", "FREQ=WEEKLY;BYDAY=MO,TH"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("FREQ=MONTHLY;BYDAY=TU;BYSETPOS=2", "FREQ=MONTHLY;BYDAY=2TU"),
        ("FREQ=MONTHLY;BYDAY=+2TU", "FREQ=MONTHLY;BYDAY=2TU"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;WKST=MO", "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO"),
        ("FREQ=WEEKLY;BYDAY=MO;WKST=SU", "FREQ=WEEKLY;BYDAY=MO"),
        ("FREQ=DAILY;UNTIL=20281231T235959Z", "FREQ=DAILY;UNTIL=20281231"),
        ("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
        # What is left out is that of the first day, a Monday.
        ("FREQ=WEEKLY", "FREQ=WEEKLY;BYDAY=MO"),
        ("FREQ=MONTHLY", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ("FREQ=YEARLY", "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=-1"),
        ("FREQ=YEARLY;BYMONTH=4", "FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=-1"),
    ],
)
def test_a_text_that_others_write_is_taken(text: str, as_written: str) -> None:
    assert written({**read(text), "start": DAY}) == as_written


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "The rule"),
        ("weekly", "WEEKLY"),
        ("INTERVAL=2", "FREQ"),
        *((f"FREQ={each}", "FREQ") for each in ("SECONDLY", "MINUTELY", "HOURLY", "OFTEN")),
        *(
            (f"FREQ=YEARLY;{part}=1", part)
            for part in ("BYHOUR", "BYMINUTE", "BYSECOND", "BYWEEKNO", "BYYEARDAY", "EXDATE")
        ),
        ("FREQ=DAILY\nEXDATE:20280101", "FREQ"),
        ("FREQ=DAILY;RDATE=20280101", "RDATE"),
        ("FREQ=DAILY;X-MORE=1", "X-MORE"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=1000", "INTERVAL"),
        ("FREQ=DAILY;INTERVAL=x", "INTERVAL"),
        ("FREQ=DAILY;COUNT=0", "COUNT"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20281231", "COUNT"),
        ("FREQ=DAILY;UNTIL=20280230", "UNTIL"),
        ("FREQ=DAILY;UNTIL=2028-02-03", "UNTIL"),
        ("FREQ=DAILY;INTERVAL=2;BYDAY=MO", "BYDAY"),
        ("FREQ=WEEKLY;BYDAY=2MO", "BYDAY"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY"),
        ("FREQ=WEEKLY;BYMONTHDAY=3", "BYMONTHDAY"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO;WKST=SU", "WKST"),
        ("FREQ=MONTHLY;BYDAY=MO", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=2MO,2TU", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=5MO", "BYDAY"),
        ("FREQ=MONTHLY;BYDAY=MO,TU;BYSETPOS=5", "BYSETPOS"),
        ("FREQ=MONTHLY;BYDAY=2MO;BYMONTHDAY=3", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,15", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=-2", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTHDAY=28,29", "BYMONTHDAY"),
        ("FREQ=MONTHLY;BYMONTH=2", "BYMONTH"),
        ("FREQ=YEARLY;BYMONTH=2,3", "BYMONTH"),
        ("FREQ=YEARLY;BYDAY=MO", "BYDAY"),
        ("FREQ=YEARLY;BYMONTHDAY=3", "BYMONTHDAY"),
        ("FREQ=DAILY;" + "X" * 500, "A rule"),
        ("FREQ=MONTHLY;BYMONTHDAY=\u0663", "BYMONTHDAY"),
    ],
)
def test_a_part_that_cannot_be_taken_is_named(text: str, part: str) -> None:
    with pytest.raises(RuleRefused) as refused:
        read(text)
    assert str(refused.value).startswith(f"{part} ")


def test_a_refused_text_is_told_with_its_path(server: Server) -> None:
    answer = created(server.user(), {"rrule": "FREQ=DAILY;BYHOUR=9"})
    assert answer["issues"] == [
        {
            "path": ["recurrence", "rrule"],
            "code": "INVALID",
            "message": "BYHOUR cannot be taken.",
        }
    ]


@pytest.mark.parametrize(
    "recurrence",
    [{}, {"rule": {"unit": "DAY"}, "rrule": "FREQ=DAILY"}, {"rule": None}, {"rrule": None}],
)
def test_a_rule_has_one_form(server: Server, recurrence: dict[str, Any]) -> None:
    values = {"title": "x", "dueOn": DAY, "recurrence": recurrence}
    answer = server.user().execute(CREATE, {"input": values})
    assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


def test_what_rfc_5545_cannot_say_has_no_text(server: Server) -> None:
    user = server.user()
    for rule in (
        {"unit": "DAY", "from": "COMPLETION"},
        {"unit": "DAY", "until": "2029-01-01", "remaining": 5},
    ):
        assert created(user, {"rule": rule})["recurrence"]["rrule"] is None
