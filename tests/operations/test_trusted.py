"""Trusted documents: known by their ids, fit for the schema, and alone where that is wanted."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.operations.trusted import ManifestError, read_manifests
from app.settings import TrustedDocumentsMode
from tests.api import Caller, Server, running_server, settings_for
from tests.databases import Database
from tests.sockets import signed_in

LIST = "query TaskList { tasks { nodes { title } } }"
COUNT = "query Count { tasks(first: 0) { totalCount } }"
LIVE = "subscription Live { taskChanges { node { task { title } } } }"
BROKEN = "query Broken { tasks { nodes { colour } } }"
OTHER = "{ me { id } }"

Manifest = Callable[[dict[str, str]], object]


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def of_codegen(texts: dict[str, str]) -> object:
    return {f"sha256:{sha256(text)}": text for text in texts.values()}


def of_relay(texts: dict[str, str]) -> object:
    return {hashlib.md5(text.encode()).hexdigest(): text for text in texts.values()}


def of_apollo(texts: dict[str, str]) -> object:
    operations = [
        {"id": sha256(text), "name": name, "type": "query", "body": text}
        for name, text in texts.items()
    ]
    return {"format": "apollo-persisted-query-manifest", "version": 1, "operations": operations}


def written(folder: Path, manifest: object) -> Path:
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest))
    return path


def with_documents(database: Database, path: Path, mode: TrustedDocumentsMode) -> Any:
    return running_server(
        settings_for(
            database.server_url, trusted_documents=[str(path)], trusted_documents_mode=mode
        )
    )


@pytest.fixture(scope="module")
def only(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that serves three operations and no other."""
    texts = {"TaskList": LIST, "Count": COUNT, "Live": LIVE}
    path = written(tmp_path_factory.mktemp("trusted"), of_codegen(texts))
    with with_documents(database, path, TrustedDocumentsMode.ONLY) as server:
        yield server


def ask(caller: Caller, **parameters: Any) -> httpx2.Response:
    return caller.http.post("/graphql", json=parameters)


def code_of(response: httpx2.Response) -> str:
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


@pytest.mark.parametrize("manifest", [of_codegen, of_relay, of_apollo])
def test_a_document_is_asked_for_by_the_id_of_its_manifest(
    database: Database, tmp_path: Path, manifest: Manifest
) -> None:
    path = written(tmp_path, manifest({"Count": COUNT}))
    (id,) = read_manifests([path])
    with with_documents(database, path, TrustedDocumentsMode.PREFER) as server:
        user = server.user()
        for asked in (id, sha256(COUNT), f"sha256:{sha256(COUNT)}"):
            assert ask(user, documentId=asked).json() == {"data": {"tasks": {"totalCount": 0}}}
        extensions = {"persistedQuery": {"version": 1, "sha256Hash": sha256(COUNT)}}
        assert ask(user, extensions=extensions).json() == {"data": {"tasks": {"totalCount": 0}}}
        assert user.http.get("/graphql", params={"documentId": id}).status_code == 200
        assert ask(user, query=OTHER).status_code == 200
        assert code_of(ask(user, documentId="unknown")) == "PERSISTED_QUERY_NOT_FOUND"


def test_nothing_else_is_served_where_only_they_are_trusted(only: Server) -> None:
    user = only.user()
    assert ask(user, documentId=f"sha256:{sha256(LIST)}").status_code == 200
    assert ask(user, query=LIST).status_code == 200
    other = {"persistedQuery": {"version": 1, "sha256Hash": sha256(OTHER)}}
    for parameters in (
        {"query": OTHER},
        {"query": OTHER, "extensions": other},
        {"extensions": other},
        {"documentId": "unknown"},
        {"query": f"{LIST} "},
        {"query": LIST, "documentId": "unknown"},
    ):
        response = ask(user, **parameters)
        assert (response.status_code, code_of(response)) == (403, "OPERATION_NOT_ALLOWED")
    assert ask(only.bearer(None), query=OTHER).status_code == 401


def test_sockets_serve_nothing_else_either(only: Server) -> None:
    user = only.user()
    with signed_in(only, user.token) as follower:
        follower.subscribe(OTHER)
        assert follower.hear()["payload"][0]["extensions"]["code"] == "OPERATION_NOT_ALLOWED"
        payload = {"documentId": sha256(COUNT)}
        follower.say({"id": "two", "type": "subscribe", "payload": payload})
        assert follower.hear()["payload"] == {"data": {"tasks": {"totalCount": 0}}}


def test_an_id_that_is_no_text_is_refused(server: Server) -> None:
    response = ask(server.user(), documentId=7)
    assert (response.status_code, code_of(response)) == (400, "BAD_REQUEST")


def test_a_server_refuses_to_start_with_an_operation_that_does_not_fit(
    database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, of_apollo({"Count": COUNT, "Broken": BROKEN}))
    with pytest.raises(SystemExit), with_documents(database, path, TrustedDocumentsMode.PREFER):
        pass
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("todo-api: Broken (")
    assert "'colour'" in said
    with with_documents(database, path, TrustedDocumentsMode.OFF) as server:
        assert ask(server.user(), query=OTHER).status_code == 200


def test_only_without_a_document_is_refused(database: Database) -> None:
    settings = settings_for(database.server_url, trusted_documents_mode=TrustedDocumentsMode.ONLY)
    with pytest.raises(SystemExit), running_server(settings):
        pass


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "Expecting value"),
        ("[]", "no JSON object"),
        ('{"id": 7}', "no document"),
        ('{"format": "apollo-persisted-query-manifest", "operations": [{"id": "a"}]}', "no list"),
        ('{"format": "apollo-persisted-query-manifest"}', "no list"),
    ],
)
def test_what_is_no_manifest_is_named(tmp_path: Path, content: str, why: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(content)
    with pytest.raises(ManifestError, match=why) as refused:
        read_manifests([path])
    assert str(path) in str(refused.value)


def test_an_id_with_two_texts_is_refused(tmp_path: Path) -> None:
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    one.write_text(json.dumps({"id": LIST}))
    two.write_text(json.dumps({"id": COUNT}))
    with pytest.raises(ManifestError, match="another text"):
        read_manifests([one, two])
    assert read_manifests([one, one]) == {"id": LIST}


@pytest.mark.parametrize(
    ("texts", "code", "said"),
    [
        ({"Count": COUNT, "Live": LIVE}, 0, "All 2 documents fit the schema."),
        ({"Count": COUNT, "Broken": BROKEN}, 1, "Cannot query field 'colour' on type 'Task'"),
    ],
)
def test_a_build_can_check_them(
    tmp_path: Path, texts: dict[str, str], code: int, said: str
) -> None:
    command = [str(Path(sys.executable).parent / "todo-api"), "check-documents"]
    done = subprocess.run(
        [*command, str(written(tmp_path, of_codegen(texts)))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert (done.returncode, said in done.stdout) == (code, True), done.stdout
