"""The format of a file, by its content."""

import pytest

from app.exchange.detection import format_of
from app.exchange.items import Unreadable
from tests.exchange.reading import file, zipped

FILES = {
    "project.csv": "todoist",
    "data.json": "vikunja",
    "apple.ics": "ics",
    "nextcloud.ics": "ics",
    "tasks.json": "taskwarrior",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_by_its_content(name: str) -> None:
    assert format_of(file(name)) == FILES[name]
    assert format_of(b"\xef\xbb\xbf" + file(name).removeprefix(b"\xef\xbb\xbf")) == FILES[name]


def test_an_archive_is_known_by_its_names() -> None:
    assert format_of(zipped({"VERSION": b"", "data.json": b""})) == "vikunja"
    assert format_of(zipped({"Home [1].csv": b""})) == "todoist"
    with pytest.raises(Unreadable, match="ZIP"):
        format_of(zipped({"a.txt": b""}))


def test_ours_is_known_whatever_its_tasks_say() -> None:
    ours = b'{"format": "todo-api", "version": 1, "tasks": [{"title": "\\"uuid\\": "}]}'
    assert format_of(ours) == "json"
    quoting = b'[{"uuid": "1", "description": "\\"format\\": \\"todo-api\\""}]'
    assert format_of(quoting) == "taskwarrior"


def test_other_forms_are_known() -> None:
    assert format_of(b'{"uuid": "1"}\n{"uuid": "2"}\n') == "taskwarrior"
    assert format_of(b"[]") == "taskwarrior"
    assert format_of(b"\n begin:vcalendar\n") == "ics"
    assert format_of(b'"CONTENT";"TYPE"\r\n') == "todoist"


@pytest.mark.parametrize("data", [b"hello", b"name,date\n", b"[1]", b"\xff\xfe", b"%PDF-1.7"])
def test_what_is_not_known_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable, match="--format"):
        format_of(data)


@pytest.mark.parametrize("data", [b"", b" \r\n"])
def test_an_empty_file_is_called_so(data: bytes) -> None:
    with pytest.raises(Unreadable, match="empty"):
        format_of(data)
