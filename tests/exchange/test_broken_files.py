"""Files that are broken or hostile: a sentence comes out, or tasks, and it takes little memory."""

import random
import subprocess
import sys
from collections.abc import Callable
from zipfile import ZIP_BZIP2, ZIP_STORED

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.exchange import ics, taskwarrior, todoist, vikunja
from app.exchange.detection import format_of
from app.exchange.items import Contents, Options, Unreadable
from tests.exchange.reading import OPTIONS, file, zipped
from tests.repository import ROOT

Reader = Callable[[bytes, Options], Contents]

READERS: dict[str, Reader] = {
    "project.csv": todoist.read,
    "backup.zip": todoist.read,
    "data.json": vikunja.read,
    "export.zip": vikunja.read,
    "apple.ics": ics.read,
    "nextcloud.ics": ics.read,
    "tasks.json": taskwarrior.read,
}
ARCHIVES = {"backup.zip": ("Home [1].csv", "project.csv"), "export.zip": ("data.json", "data.json")}
CSV_CASES = ("a line of CSV", "wide letters", "an open quote")
CSV_SENTENCE = (
    "The row that begins here is no CSV: field larger than field limit (131072). A quote may not "
    "be closed."
)
TEXTS = [name for name in READERS if name not in ARCHIVES]


def example(name: str) -> bytes:
    if name not in ARCHIVES:
        return file(name)
    inside, content = ARCHIVES[name]
    return zipped({inside: file(content), "VERSION": b"v1"})


def outcome(reader: Reader, data: bytes) -> Contents | Unreadable:
    try:
        return reader(data, OPTIONS)
    except Unreadable as error:
        return error


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with some pieces changed, removed, repeated, or taken from elsewhere."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at, length = chance.randrange(len(changed) + 1), chance.choice((1, 1, 2, 9, 200))
        other = chance.randrange(len(data))
        piece = chance.choice(
            (
                *(b"", bytes([chance.randrange(256)]), b'"', b"\n", b"\\", b"\0", b"9" * 30),
                *(
                    b"\xed\xa0\x80",
                    b"{",
                    b"]",
                    b";",
                    b"-1",
                    b"null",
                    b"true",
                    b"1e999",
                    b'"\\ud800"',
                ),
                data[other : other + length],
            )
        )
        changed[at : at + chance.choice((0, length))] = piece
    return bytes(changed)


@pytest.mark.parametrize("name", READERS)
@given(seed=st.integers(0, 2**64))
def test_a_changed_file_is_read_or_refused(name: str, seed: int) -> None:
    data = mutated(example(name), random.Random(seed))
    assert isinstance(outcome(READERS[name], data), Contents | Unreadable)


@pytest.mark.parametrize("name", ["project.csv", "data.json", "apple.ics", "tasks.json"])
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    assert isinstance(outcome(READERS[name], data), Contents | Unreadable)
    begun = example(name)[:60] + data
    assert isinstance(outcome(READERS[name], begun), Contents | Unreadable)


@given(data=st.binary(max_size=200), is_archive=st.booleans())
def test_any_bytes_have_a_format_or_none(data: bytes, is_archive: bool) -> None:
    try:
        found: str = format_of(b"PK\x03\x04" + data if is_archive else data)
    except Unreadable as error:
        found = str(error)
    assert found


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_cut_archive_is_refused(name: str) -> None:
    data = example(name)
    cuts = [outcome(READERS[name], data[: len(data) * part // 20]) for part in range(1, 20)]
    assert {type(each) for each in cuts} == {Unreadable}
    spoilt = data[:60] + bytes([data[60] ^ 255]) + data[61:]
    assert isinstance(outcome(READERS[name], spoilt), Unreadable)


@pytest.mark.parametrize("name", TEXTS)
def test_a_mark_and_ends_of_lines_change_nothing(name: str) -> None:
    plain = file(name).removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    read = READERS[name]
    assert read(b"\xef\xbb\xbf" + plain, OPTIONS) == read(plain, OPTIONS)
    ends = [item.title for item in read(plain.replace(b"\n", b"\r\n"), OPTIONS).items]
    assert ends == [item.title for item in read(plain, OPTIONS).items]


@pytest.mark.parametrize("name", TEXTS)
def test_latin_1_is_refused_with_its_place(name: str) -> None:
    title = {"data.json": "Fix the tap", "tasks.json": "Find a pot"}.get(name, "Find a pot")
    if name == "nextcloud.ics":
        title = "Done before"
    before, _, after = file(name).partition(title.encode())
    with pytest.raises(Unreadable, match="UTF-8") as error:
        READERS[name](before + b"caf\xe9" + after, OPTIONS)
    last = before.removeprefix(b"\xef\xbb\xbf").decode().rpartition("\n")[2]
    assert (error.value.line, error.value.column) == (before.count(b"\n") + 1, len(last) + 4)


@pytest.mark.parametrize(
    "name", ["../../a.csv", "/etc/a.csv", "C:\\a.csv", "a/../../b.csv", "..\\a.csv"]
)
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    data = zipped({name: b"TYPE,CONTENT\n"})
    with pytest.raises(Unreadable, match="leads out"):
        todoist.read(data, OPTIONS)
    with pytest.raises(Unreadable, match="leads out"):
        format_of(data)


def test_what_is_hidden_in_an_archive_is_passed_over() -> None:
    row = b"TYPE,CONTENT\ntask,a\n"
    data = zipped({"__MACOSX/._a.csv": b"\0", "b/.c.csv": b"\0", "d.csv/": b"", "e.csv": row})
    assert [item.list_name for item in todoist.read(data, OPTIONS).items] == ["e"]


def test_encrypted_and_oddly_packed_files_are_refused() -> None:
    data = bytearray(zipped({"a.csv": b"TYPE,CONTENT\n"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(Unreadable, match="encrypted"):
        todoist.read(bytes(data), OPTIONS)
    with pytest.raises(Unreadable, match="unknown way"):
        todoist.read(zipped({"a.csv": b"TYPE,CONTENT\n"}, ZIP_BZIP2), OPTIONS)


def test_a_file_that_is_longer_than_its_archive_is_refused() -> None:
    data = bytearray(zipped({"a.csv": b"TYPE,CONTENT\n"}, ZIP_STORED))
    sizes = data.index(b"PK\x01\x02") + 20
    data[sizes : sizes + 8] = (100_000).to_bytes(4, "little") * 2
    with pytest.raises(Unreadable, match="broken"):
        todoist.read(bytes(data), OPTIONS)


def test_too_many_files_are_refused_before_the_archive_is_opened() -> None:
    entries = zipped({"a.csv": b"TYPE,CONTENT\n"}) + b"PK\x01\x02" * 10_000
    with pytest.raises(Unreadable, match="too many files"):
        todoist.read(entries, OPTIONS)


def rows(number: int) -> bytes:
    return b"TYPE,CONTENT\n" + b"".join(b"task,%d\n" % each for each in range(number))


def test_there_are_at_most_100_000_tasks() -> None:
    assert len(todoist.read(rows(100_000), OPTIONS).items) == 100_000
    with pytest.raises(Unreadable, match="100,000"):
        todoist.read(rows(100_001), OPTIONS)


def test_hostile_files_are_refused_and_take_little_memory() -> None:
    command = [sys.executable, "-m", "tests.exchange.hostile"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *sentences, memory = done.stdout.splitlines()
    assert sentences == [
        "a GB of zeros: The ZIP file has more than 100 MB when it is unpacked.",
        *(f"{name}: line 2: {CSV_SENTENCE}" for name in CSV_CASES),
        "a line of iCalendar: line 2: A line has more than 1,000,000 bytes.",
        "an open text: line 1, column 10: This is not JSON: Unterminated string starting.",
        "many arrays: This JSON is nested too deep.",
    ]
    assert int(memory) < 200
