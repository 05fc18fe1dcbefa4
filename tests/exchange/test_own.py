"""Our own format: what is written is read, and what is no such file is told with its place."""

import json
import random
import tracemalloc
from contextlib import suppress
from datetime import UTC, date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.exchange import own
from app.exchange.detection import format_of
from app.exchange.items import Contents, Item, ItemList, Options, Unreadable
from tests.api import nonempty

OPTIONS = Options(UTC, date(2026, 11, 30))

RULE = {"every": 2, "unit": "WEEK", "weekdays": [1, 4], "from": "DUE", "start": "2026-11-30"}

instants = st.none() | st.datetimes(timezones=st.just(UTC))
keys = st.text(min_size=1)
lists = st.builds(ItemList, keys, st.text(), instants, instants, instants)
items = st.builds(
    Item,
    key=keys,
    title=st.text(),
    description=st.none() | st.text(min_size=1),
    completed_at=instants,
    completed_on=st.none() | st.dates(),
    created_at=instants,
    updated_at=instants,
    deleted_at=instants,
    due_on=st.none() | st.dates(),
    due_time=st.none() | st.builds(time, st.integers(0, 23), st.integers(0, 59)),
    priority=st.integers(0, 4),
    labels=st.lists(st.text(), min_size=1, max_size=3) | st.just(()),
    list_key=st.none() | keys,
    parent=st.none() | keys,
    rule=st.sampled_from([None, RULE]),
    successor=st.none() | keys,
)


def by_key(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[list[object]]:
    return st.lists(strategy, max_size=4, unique_by=lambda thing: getattr(thing, "key"))  # noqa: B009


def read(text: str | bytes) -> Contents:
    return own.read(text.encode() if isinstance(text, str) else text, OPTIONS)


@given(st.builds(Contents, by_key(lists), by_key(items), account=st.none() | st.text()))
def test_what_is_written_is_read(contents: Contents) -> None:
    back = read(own.write(contents))
    assert back.account == contents.account
    assert (back.lists, back.items) == (contents.lists, contents.items)


FILE = own.write(
    Contents(
        [ItemList("L1", "Höme")],
        [
            Item(str(n), f"Täsk {n}", labels=["a"], rule=RULE, due_on=date(2026, 11, 30))
            for n in range(9)
        ],
    )
)


def test_each_object_is_a_line_and_the_whole_is_json() -> None:
    lines = FILE.decode().splitlines()
    assert [json.loads(line.rstrip(","))["id"] for line in lines if '"title"' in line] == [
        *map(str, range(9))
    ]
    assert format_of(FILE) == "json"
    assert list(json.loads(FILE)) == ["format", "version", "exportedAt", "lists", "tasks"]


@pytest.mark.parametrize(
    "changed",
    [
        b"\xef\xbb\xbf" + FILE,
        FILE.replace(b"\n", b"\r\n"),
        json.dumps(json.loads(FILE), indent=2).encode(),
        json.dumps(json.loads(FILE)).encode(),
        json.dumps({"more": [{}], **json.loads(FILE)}).encode("utf-8"),
    ],
    ids=["a byte order mark", "CRLF", "pretty", "one line", "a member that is not known"],
)
def test_the_file_may_be_written_otherwise(changed: bytes) -> None:
    assert read(changed) == read(FILE)


def test_a_file_that_is_cut_is_refused_with_the_place() -> None:
    for end in range(len(FILE.rstrip())):
        with pytest.raises(Unreadable) as refused:
            read(FILE[:end])
        # A character that is cut has its line, too.
        assert refused.value.line is not None


HEAD = '{"format": "todo-api", "version": 1,\n"tasks": [\n'


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "line 1, column 1: The file ends too early."),
        ("[]", "line 1, column 1: Here must be {"),
        ("{}", 'It is none of our files: it has no "format" of "todo-api".'),
        ('{"format": "todo-api", "version": 2}', "Its version is not 1, which is all that can be"),
        (HEAD + '{"id": "1", "title": "x}\n]}', "line 3, column 25: A text has a control"),
        (HEAD + '{"id": "1"}]}', 'line 3, column 1: This object has no "title".'),
        (HEAD + ' {"id": 1, "title": "x"}]}', 'line 3, column 2: Of this object, "id" cannot be'),
        (HEAD + '{"id": "1", "title": "x", "dueOn": "2026-02-30"}]}', '"dueOn" cannot be read'),
        (HEAD + '{"id": "1", "title": "x", "priority": "Low"}]}', '"priority" cannot be read'),
        (HEAD + '{"id": "1", "title": "x", "labels": [1]}]}', '"labels" cannot be read'),
        (HEAD + '{"id": "1", "title": "x", "recurrence": {"every": 0}}]}', '"recurrence" cannot'),
        (HEAD + "7]}", "line 3, column 1: Here must be an object."),
        (HEAD + "NaN]}", "line 3, column 1: This is no value"),
        (HEAD + "9" * 5000 + "]}", "line 3, column 1: This is no value"),
        (HEAD + "[" * 100_000, "line 3, column 1: This is no value"),
        (HEAD + '{"id": "1", "title": "x"}] x', "line 3, column 28: Here must be ,"),
        (HEAD + "]} x", "line 3, column 4: Here the file must end."),
        (
            HEAD + '{"id": "1", "title": "x"},\n{"id": "1", "title": "y"}]}',
            "The id 1 is there twice",
        ),
        ('{"tasks": {}}', "line 1, column 11: Here must be ["),
        ("\0" * 10_000, "line 1, column 1: This is no text: it has a NUL character."),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(Unreadable) as refused:
        read(text)
    assert sentence in str(refused.value)


def test_another_encoding_is_refused_with_the_place() -> None:
    with pytest.raises(Unreadable, match="line 3, column 23: This is not UTF-8"):
        read(
            f'{HEAD}{{"id": "1", "title": "x", "é": 1}}]}}'.encode("latin-1").replace(b"x", b"\xff")
        )


def test_a_file_is_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of ten megabytes that is cut takes its text, and the tasks in it."""
    line = '{"id": "%d", "title": "' + "x" * 900 + '"}'
    text = HEAD + ",\n".join(line % n for n in range(11_000))
    data = text.encode()
    del text
    tracemalloc.start()
    with pytest.raises(Unreadable, match="line 11002, column"):
        read(data)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * len(data)
    monkeypatch.setattr(own, "BYTES_MAX", 1000)
    with pytest.raises(Unreadable, match="more than 1,000 bytes"):
        read(data)
    monkeypatch.undo()
    monkeypatch.setattr(own, "ITEMS_MAX", 100)
    with pytest.raises(Unreadable, match="line 103, column 1: There are more than 100 tasks"):
        read(data)


def test_a_line_of_ten_megabytes_is_read_or_refused() -> None:
    title = "x" * 10_000_000
    (item,) = read(f'{HEAD}{{"id": "1", "title": "{title}"}}]}}').items
    assert item.title == title
    with pytest.raises(Unreadable, match="line 3, column 22: A text begins here and does not end"):
        read(f'{HEAD}{{"id": "1", "title": "{title}')


def test_noise_is_refused_or_read(long: bool) -> None:
    chance = random.Random(None if long else 1)
    for _ in range(20_000 if long else 300):
        data = bytearray(FILE)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with suppress(Unreadable):
            assert isinstance(read(bytes(data)), Contents)


def test_the_rules_that_are_read_can_be_stored() -> None:
    for rule in nonempty([RULE, {"every": 1, "unit": "MONTH", "from": "COMPLETION"}]):
        text = json.dumps({"id": "1", "title": "x", "recurrence": rule})
        assert read(f"{HEAD}{text}]}}").items[0].rule == rule
