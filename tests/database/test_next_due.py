"""The day that comes next: the function in SQL against the recurrence rules of dateutil."""

import json
import random
from calendar import monthrange
from datetime import date, datetime, time, timedelta
from typing import Any

import psycopg
import pytest
from dateutil.rrule import DAILY, MO, MONTHLY, WEEKLY, YEARLY, rrule, weekdays

from tests.databases import Database

Rule = dict[str, Any]
Case = tuple[Rule, date, date | None]

CASES = 3_000
CASES_LONG = 100_000
AT_ONCE = 5_000


def answers(database: Database, cases: list[Case]) -> list[date | None]:
    """Return what the function says, many in one statement."""
    with psycopg.connect(database.superuser_url, options="-c DateStyle=ISO") as connection:
        return [
            day
            for first in range(0, len(cases), AT_ONCE)
            for (day,) in connection.execute(
                "SELECT next_due(rule::jsonb, due, done) FROM unnest(%s::text[], %s::date[], "
                "%s::date[]) WITH ORDINALITY AS given (rule, due, done, n) ORDER BY n",
                [
                    [json.dumps(rule) for rule, _, _ in cases[first : first + AT_ONCE]],
                    [due for _, due, _ in cases[first : first + AT_ONCE]],
                    [done for _, _, done in cases[first : first + AT_ONCE]],
                ],
            )
        ]


def random_case(chance: random.Random) -> Case:
    """Return a rule that may be given, a due date on the series or off it, and a day of doing."""
    start = date(2020, 1, 1) + timedelta(chance.randrange(4000))
    if chance.random() < 0.2:
        start = start.replace(day=monthrange(start.year, start.month)[1])
    unit = chance.choice(["DAY", "WEEK", "MONTH", "YEAR"])
    rule: Rule = {
        "every": chance.choice([1, 1, 1, 2, 3, 4, 6, 12, chance.randint(1, 99)]),
        "unit": unit,
        "start": start.isoformat(),
        "from": chance.choice(["DUE", "DUE", "DUE", "COMPLETION"]),
    }
    some = sorted(chance.sample(range(1, 8), chance.randint(1, 7)))
    if unit == "WEEK" and rule["from"] == "DUE" and chance.random() < 0.7:
        rule["weekdays"] = some
    if unit in ("MONTH", "YEAR"):
        kind = chance.random()
        if kind < 0.4:
            rule |= {"weekdays": some, "ordinal": chance.choice([1, 2, 3, 4, -1])}
        elif kind < 0.7:
            rule["monthDay"] = chance.choice([1, 15, 28, 29, 30, 31, chance.randint(1, 31)])
    if unit == "YEAR" and chance.random() < 0.5:
        rule["month"] = chance.randint(1, 12)
    due = start + timedelta(chance.choice([0, 0, chance.randint(-60, 900)]))
    if chance.random() < 0.2:
        rule["until"] = (due + timedelta(chance.randrange(1200))).isoformat()
    if chance.random() < 0.2:
        rule["remaining"] = chance.randint(1, 3)
    return rule, due, due + timedelta(chance.randint(-40, 900)) if chance.random() < 0.8 else None


def series(rule: Rule) -> rrule:
    """Return the days of a rule as RFC 5545 has them, without an end."""
    start = date.fromisoformat(rule["start"])
    days = [weekdays[number - 1] for number in rule.get("weekdays", [])]
    parts: dict[str, Any] = {}
    if rule["unit"] == "WEEK" and days:
        parts["byweekday"] = days
    if rule["unit"] in ("MONTH", "YEAR"):
        day = rule.get("monthDay", start.day)
        if days:
            parts |= {"byweekday": days, "bysetpos": rule["ordinal"]}
        elif day == 31:
            parts["bymonthday"] = -1
        else:
            parts |= {"bymonthday": range(min(day, 28), day + 1), "bysetpos": -1}
    if rule["unit"] == "YEAR":
        parts["bymonth"] = rule.get("month", start.month)
    frequency: Any = {"DAY": DAILY, "WEEK": WEEKLY, "MONTH": MONTHLY, "YEAR": YEARLY}[rule["unit"]]
    begin = datetime.combine(start, time())
    return rrule(frequency, dtstart=begin, interval=rule["every"], wkst=MO, **parts)


def expected(rule: Rule, due: date, done: date | None) -> date | None:
    if rule.get("remaining") == 1:
        return None
    if rule["from"] == "DUE":
        base = max(due, done or due)
        found = series(rule).after(datetime.combine(base, time()))
        day = None if found is None else found.date()
    else:
        day = after_completion(rule, done or due)
    until = rule.get("until")
    return None if day is None or (until and day.isoformat() > until) else day


def after_completion(rule: Rule, done: date) -> date:
    if rule["unit"] in ("DAY", "WEEK"):
        return done + timedelta(rule["every"] * (7 if rule["unit"] == "WEEK" else 1))
    start = date.fromisoformat(rule["start"])
    if rule["unit"] == "YEAR":
        month = date(done.year + rule["every"], rule.get("month", start.month), 1)
    else:
        months = done.year * 12 + done.month - 1 + rule["every"]
        month = date(months // 12, months % 12 + 1, 1)
    last: int = monthrange(month.year, month.month)[1]
    days: list[date] = [month.replace(day=n) for n in range(1, last + 1)]
    if "ordinal" not in rule:
        found: date = days[min(rule.get("monthDay", start.day), last) - 1]
        return found
    some: list[date] = [day for day in days if day.isoweekday() in rule["weekdays"]]
    nth: date = some[rule["ordinal"] - (rule["ordinal"] > 0)]
    return nth


def test_the_next_day_is_the_one_that_dateutil_says(database: Database, long: bool) -> None:
    chance = random.Random(None if long else 15)
    cases = [random_case(chance) for _ in range(CASES_LONG if long else CASES)]
    differ = [
        (rule, str(due), str(done), str(day))
        for (rule, due, done), day in zip(cases, answers(database, cases), strict=True)
        if day != expected(rule, due, done)
    ]
    assert differ == []


def rule_of(unit: str, start: str, **more: Any) -> Rule:
    return {"every": 1, "unit": unit, "start": start, "from": "DUE", **more}


@pytest.mark.parametrize(
    ("rule", "count", "days"),
    [
        (
            rule_of("MONTH", "2027-01-31"),
            0,
            "2027-02-28 2027-03-31 2027-04-30 2027-05-31 2027-06-30 2027-07-31 2027-08-31",
        ),
        (rule_of("YEAR", "2028-02-29"), 0, "2029-02-28 2030-02-28 2031-02-28 2032-02-29"),
        # The last Friday, the last working day, every other Monday and Thursday.
        (
            rule_of("MONTH", "2026-11-27", weekdays=[5], ordinal=-1),
            0,
            "2026-12-25 2027-01-29 2027-02-26 2027-03-26",
        ),
        (
            rule_of("MONTH", "2026-11-30", weekdays=[1, 2, 3, 4, 5], ordinal=-1),
            0,
            "2026-12-31 2027-01-29 2027-02-26 2027-03-31 2027-04-30",
        ),
        (
            rule_of("WEEK", "2026-12-03", every=2, weekdays=[1, 4]),
            0,
            "2026-12-14 2026-12-17 2026-12-28 2026-12-31",
        ),
        (rule_of("MONTH", "2027-01-31", remaining=3), 9, "2027-02-28 2027-03-31"),
        (rule_of("DAY", "2027-01-31", until="2027-02-02"), 9, "2027-02-01 2027-02-02"),
        (rule_of("DAY", "9999-12-30"), 9, "9999-12-31"),
        (rule_of("YEAR", "9990-12-30", every=999), 9, ""),
    ],
)
def test_the_days_of_a_series(database: Database, rule: Rule, count: int, days: str) -> None:
    with psycopg.connect(database.superuser_url, options="-c DateStyle=ISO") as connection:
        found = connection.execute(
            "SELECT next_days(%s::jsonb, %s, %s)::text",
            [json.dumps(rule), rule["start"], count or len(days.split())],
        ).fetchall()
    assert " ".join(day for (day,) in found) == days


@pytest.mark.parametrize(
    ("done", "day"),
    [
        ("2026-12-02", "2026-12-11"),
        ("2026-12-04", "2026-12-11"),
        ("2026-12-05", "2026-12-11"),
        ("2026-12-18", "2026-12-25"),
        ("2026-12-19", "2026-12-25"),
        (None, "2026-12-11"),
    ],
)
def test_what_is_done_late_is_due_after_that(database: Database, done: str, day: str) -> None:
    case = (
        rule_of("WEEK", "2026-12-04"),
        date(2026, 12, 4),
        date.fromisoformat(done) if done else None,
    )
    assert [str(each) for each in answers(database, [case])] == [day]


def test_so_long_after_it_was_done(database: Database) -> None:
    rule = rule_of("MONTH", "2026-08-29", every=3) | {"from": "COMPLETION"}
    cases: list[Case] = [(rule, date(2026, 8, 29), date(2026, 11, 30))]
    # Nobody said when it was done.
    cases.append((rule, date(2026, 8, 29), None))
    assert answers(database, cases) == [date(2027, 2, 28), date(2026, 11, 29)]
