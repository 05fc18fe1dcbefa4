"""Key sets: fetched when needed, refreshed beside the requests, kept while the server is away."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed448, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from auth.algorithms import ASYMMETRIC_ALGORITHMS
from auth.keys import Jwks, KeysUnavailable, UnknownKey, _keys_of
from tests.auth_server import AuthServer, kept_fresh, settled
from tests.clock import Clock


@pytest.fixture
def auth_server() -> Iterator[AuthServer]:
    server = AuthServer()
    yield server
    server.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def jwks(auth_server: AuthServer, clock: Clock) -> AsyncIterator[Jwks]:
    jwks = Jwks(auth_server.jwks_url, lifetime=600, cooldown=30, clock=clock)
    async with kept_fresh(jwks):
        yield jwks


@pytest.mark.parametrize("algorithm", ASYMMETRIC_ALGORITHMS)
async def test_a_key_is_bound_to_its_algorithm(
    auth_server: AuthServer, jwks: Jwks, algorithm: str
) -> None:
    assert (await jwks.key(auth_server.add_key(algorithm))).algorithm == algorithm


async def test_a_key_that_names_no_algorithm_has_that_of_its_kind(
    auth_server: AuthServer, jwks: Jwks
) -> None:
    kids = {
        kind: auth_server.add_key(kind, alg=None) for kind in ("EdDSA", "ES256", "ES512", "RS256")
    }
    for kind, kid in kids.items():
        assert (await jwks.key(kid)).algorithm == kind


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"alg": "HS256"},
        {"alg": "none"},
        {"alg": "RS256"},
        {"alg": 7},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"x": "!"},
        {"x": None},
        {"crv": "P-999", "alg": None},
        {"crv": [], "alg": None},
        {"kty": {}},
        {"algorithm": "ES512", "alg": "ES256"},
        {"algorithm": "RS256", "alg": "ES256"},
        {"algorithm": "RS256", "n": 7},
        {"kid": None},
        {"kid": 7},
    ],
    ids=str,
)
async def test_a_key_that_is_of_no_use_costs_the_others_nothing(
    auth_server: AuthServer, jwks: Jwks, changes: dict[str, Any]
) -> None:
    useless, useful = auth_server.add_key(**changes), auth_server.add_key("ES256")
    auth_server.public_keys.append("no key at all")  # type: ignore[arg-type]
    assert (await jwks.key(useful)).algorithm == "ES256"
    with pytest.raises(UnknownKey):
        await jwks.key(useless)


@pytest.mark.parametrize(
    ("make", "warnings"),
    [
        (lambda: {"kty": "oct", "k": "c2VjcmV0" * 8}, []),
        (lambda: {"kty": "oct", "k": "c2VjcmV0" * 8, "alg": "HS256"}, []),
        (lambda: {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, ["malformed"]),
        (
            lambda: RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2040).public_key(), True),
            ["too short"],
        ),
        (
            lambda: RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048), True),
            ["a private one"],
        ),
    ],
    ids=["shared secret", "shared secret for HS256", "malformed", "short", "private"],
)
async def test_a_key_that_proves_nothing_is_not_used(
    auth_server: AuthServer,
    jwks: Jwks,
    make: Callable[[], dict[str, Any]],
    warnings: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    useful = auth_server.add_key()
    auth_server.public_keys.append({**make(), "kid": "useless"})
    also_useful = auth_server.add_key("ES256")
    assert await jwks.fetch() == 2
    assert (await jwks.key(useful)).algorithm == "EdDSA"
    assert (await jwks.key(also_useful)).algorithm == "ES256"
    with pytest.raises(UnknownKey):
        await jwks.key("useless")
    told = {record.getMessage() for record in caplog.records if record.name == "auth.keys"}
    assert told == {f"The key 'useless' of the key set is {warning}." for warning in warnings}


async def test_the_other_curve_of_edwards_is_for_the_same_algorithm(
    auth_server: AuthServer, jwks: Jwks
) -> None:
    entry = OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key(), as_dict=True)
    auth_server.public_keys.append({**entry, "kid": "ed448"})
    assert (await jwks.key("ed448")).algorithm == "EdDSA"


ODD = st.none() | st.integers() | st.text(st.characters()) | st.sampled_from([[], {}, True])
ENTRIES = st.fixed_dictionaries(
    {"kid": st.just("odd")},
    optional={
        "kty": st.sampled_from(["OKP", "EC", "RSA", "oct"]) | ODD,
        "crv": st.sampled_from(["Ed25519", "Ed448", "X25519", "P-256", "P-521"]) | ODD,
        "alg": st.sampled_from(ASYMMETRIC_ALGORITHMS) | ODD,
        "use": st.just("sig") | ODD,
        **dict.fromkeys(("x", "y", "n", "e", "d", "k"), st.sampled_from(["AQAB", "A" * 43]) | ODD),
    },
)


@given(st.lists(ENTRIES | ODD, max_size=4))
def test_no_entry_loses_the_others(entries: list[Any]) -> None:
    good = OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate().public_key(), as_dict=True)
    assert "good" in _keys_of({"keys": [*entries, {**good, "kid": "good"}]})


async def test_json_is_asked_for(auth_server: AuthServer, jwks: Jwks) -> None:
    auth_server.add_key()
    await jwks.fetch()
    assert auth_server.accepted == "application/json"


async def test_keys_are_fetched_again_after_300_seconds_and_waited_for_after_600(
    auth_server: AuthServer, clock: Clock
) -> None:
    jwks = Jwks(auth_server.jwks_url, clock=clock)
    async with kept_fresh(jwks):
        kid = auth_server.add_key()
        await jwks.key(kid)
        clock.now += 300
        await jwks.key(kid)
        await settled(jwks)
        assert auth_server.fetches == 1
        clock.now += 0.25
        await jwks.key(kid)
        await settled(jwks)
        assert auth_server.fetches == 2
        clock.now += 600
        assert await jwks.key(kid), "in the background, still"
        await settled(jwks)
        assert auth_server.fetches == 3
        auth_server.remove_key(kid)
        clock.now += 600.25
        with pytest.raises(UnknownKey, match=kid):
            await jwks.key(kid)


async def test_an_unknown_key_has_them_fetched_again_after_a_minute(
    auth_server: AuthServer, clock: Clock
) -> None:
    jwks = Jwks(auth_server.jwks_url, clock=clock)
    auth_server.add_key()
    await jwks.fetch()
    for seconds, fetches in ((0, 2), (59.75, 2), (0.25, 3), (30, 3)):
        clock.now += seconds
        with pytest.raises(UnknownKey, match="unknown"):
            await jwks.key("unknown")
        assert auth_server.fetches == fetches
    await jwks.aclose()


async def test_fifty_who_come_at_once_cost_one_fetch(auth_server: AuthServer, jwks: Jwks) -> None:
    kid = auth_server.add_key()
    keys = await asyncio.gather(*(jwks.key(kid) for _ in range(50)))
    assert len(set(map(id, keys))) == 1
    assert auth_server.fetches == 1


async def test_who_asks_for_a_fetch_shares_the_one_under_way(
    auth_server: AuthServer, jwks: Jwks
) -> None:
    kid = auth_server.add_key()
    asked = [asyncio.create_task(jwks.fetch()) for _ in range(10)]
    assert (await jwks.key(kid)).algorithm == "EdDSA"
    assert await asyncio.gather(*asked) == [1] * 10
    assert auth_server.fetches == 1


async def test_who_asks_for_a_fetch_need_not_wait_for_the_cooldown(
    auth_server: AuthServer, jwks: Jwks
) -> None:
    for count in range(1, 4):
        auth_server.add_key()
        assert await jwks.fetch() == count


async def test_who_stops_waiting_does_not_stop_the_others(
    auth_server: AuthServer, jwks: Jwks
) -> None:
    kid = auth_server.add_key()
    impatient = asyncio.create_task(jwks.key(kid))
    patient = asyncio.create_task(jwks.key(kid))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).algorithm == "EdDSA"
    assert auth_server.fetches == 1


async def test_a_rotated_key_is_known_and_the_one_taken_away_is_not(
    auth_server: AuthServer, jwks: Jwks, clock: Clock
) -> None:
    old = auth_server.add_key()
    await jwks.key(old)
    new = auth_server.add_key("ES256")
    assert (await jwks.key(new)).algorithm == "ES256", "it is known at once"
    newer = auth_server.add_key("ES512")
    clock.now += 1.75
    with pytest.raises(UnknownKey):
        await jwks.key(newer)
    clock.now += 0.25
    assert (await jwks.key(newer)).algorithm == "ES512"
    assert (await jwks.key(old)).algorithm == "EdDSA"
    auth_server.remove_key(old)
    clock.now += 301
    await jwks.key(new)
    await settled(jwks)
    with pytest.raises(UnknownKey):
        await jwks.key(old)


@pytest.mark.parametrize("answer", [None, (500, b"")], ids=["", "and it fails"])
async def test_a_thousand_unknown_keys_cost_one_fetch(
    auth_server: AuthServer, jwks: Jwks, clock: Clock, answer: tuple[int, bytes] | None
) -> None:
    known = auth_server.add_key()
    await jwks.key(known)
    auth_server.answer = answer
    for pauses_over in range(1, 4):
        clock.now += 2
        unknown = [jwks.key(f"unknown {pauses_over} {n}") for n in range(1000)]
        answers = await asyncio.gather(*unknown, return_exceptions=True)
        assert {type(each) for each in answers} == {UnknownKey}
        clock.now += 1.75
        with pytest.raises(UnknownKey):
            await jwks.key("unknown still")
        assert auth_server.fetches == 1 + pauses_over
        assert (await jwks.key(known)).algorithm == "EdDSA"


async def test_made_up_keys_do_not_keep_a_new_one_away(
    auth_server: AuthServer, jwks: Jwks, clock: Clock
) -> None:
    """A stranger sends two keys each second: new ones, and those of before, again and again."""
    await jwks.key(auth_server.add_key())
    new, seen_after = None, []
    for half_second in range(240):
        for kid in ("made up", f"made up {half_second % 200}"):
            with pytest.raises(UnknownKey):
                await jwks.key(kid)
        if half_second % 24 == 0:
            new, since = auth_server.add_key(), clock.now
        if new is not None:
            try:
                await jwks.key(new)
            except UnknownKey:
                assert clock.now - since < 2, "it was refused for longer"
            else:
                seen_after.append(clock.now - since)
                new = None
        clock.now += 0.5
    assert len(seen_after) == 10
    assert max(seen_after) <= 2
    assert auth_server.fetches <= 62


async def test_only_so_many_made_up_keys_are_remembered(
    auth_server: AuthServer, jwks: Jwks, clock: Clock
) -> None:
    await jwks.key(auth_server.add_key())
    for n in range(257):
        clock.now += 2
        with pytest.raises(UnknownKey):
            await jwks.key(f"made up {n}")
    assert len(jwks._unknown) == 256


async def test_where_nobody_asked_for_a_lifetime_a_key_taken_away_is_not_good_once_more(
    auth_server: AuthServer, jwks: Jwks, clock: Clock
) -> None:
    old, kept = auth_server.add_key(), auth_server.add_key("ES256")
    await jwks.key(old)
    auth_server.remove_key(old)
    clock.now += 601
    asked = [asyncio.create_task(jwks.key(old)) for _ in range(10)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(each) for each in answers} == {UnknownKey}
    assert (await jwks.key(kept)).algorithm == "ES256"
    assert auth_server.fetches == 2


async def test_an_outage_is_waited_for_but_once(
    auth_server: AuthServer, jwks: Jwks, clock: Clock
) -> None:
    kid = auth_server.add_key()
    await jwks.key(kid)
    auth_server.answer = (500, b"")
    clock.now += 601
    await jwks.key(kid)
    assert auth_server.fetches == 2
    clock.now += 31
    await jwks.key(kid)
    assert auth_server.fetches == 2, "it was waited for"
    await settled(jwks)
    assert auth_server.fetches == 3


async def test_known_keys_answer_at_once_and_are_refreshed_beside(
    auth_server: AuthServer, jwks: Jwks, clock: Clock
) -> None:
    kid = auth_server.add_key()
    await jwks.key(kid)
    clock.now += 299
    await jwks.key(kid)
    assert auth_server.fetches == 1
    clock.now += 2
    await jwks.key(kid)
    await settled(jwks)
    assert auth_server.fetches == 2


@pytest.mark.parametrize(
    "answer",
    [
        None,
        (500, b"broken"),
        (200, b"no JSON"),
        (200, b"[]"),
        (200, b'{"keys": 7}'),
        (200, b"[" * 100_000),
        (200, b" " * 262_145),
        (302, b""),
    ],
    ids=lambda answer: str(answer)[:40],
)
async def test_keys_stay_good_while_the_server_is_away_or_talks_nonsense(
    auth_server: AuthServer, jwks: Jwks, clock: Clock, answer: tuple[int, bytes] | None
) -> None:
    kid = auth_server.add_key()
    await jwks.key(kid)
    if answer is None:
        auth_server.stop()
    auth_server.answer = answer
    for _ in range(10):
        clock.now += 10_000
        assert (await jwks.key(kid)).algorithm == "EdDSA"
        await settled(jwks)
    auth_server.answer = None
    if answer is None:
        auth_server.start()
    new = auth_server.add_key()
    clock.now += 31
    assert (await jwks.key(new)).algorithm == "EdDSA"


async def test_keys_that_never_were_there_are_told_from_unknown_ones(
    auth_server: AuthServer, jwks: Jwks, clock: Clock
) -> None:
    kid = auth_server.add_key()
    auth_server.stop()
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            await jwks.key(kid)
    with pytest.raises(KeysUnavailable, match="ConnectError"):
        await jwks.fetch()
    auth_server.start()
    clock.now += 0.9
    with pytest.raises(KeysUnavailable):
        await jwks.key(kid)
    clock.now += 0.1
    assert (await jwks.key(kid)).algorithm == "EdDSA"
    assert await jwks.fetch() == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, b""), "the answer has the status 500"),
        ((302, b""), "the answer has the status 302"),
        ((200, b"{}"), "the answer is no JSON Web Key Set"),
        ((200, b" " * 262_145), "the answer has more than 262144 bytes"),
    ],
    ids=["500", "302", "no set", "giant"],
)
async def test_why_keys_cannot_be_fetched_is_said_in_a_line(
    auth_server: AuthServer,
    jwks: Jwks,
    answer: tuple[int, bytes],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    auth_server.answer = answer
    with pytest.raises(KeysUnavailable) as caught:
        await jwks.fetch()
    assert str(caught.value) == f"ValueError: {reason}"
    [record] = [each for each in caplog.records if each.name == "auth.keys"]
    assert record.getMessage() == (
        f"The keys at {auth_server.jwks_url} cannot be fetched: {caught.value}"
    )


async def test_of_a_url_with_secrets_the_log_shows_the_place(
    auth_server: AuthServer, caplog: pytest.LogCaptureFixture
) -> None:
    auth_server.answer = (500, b"")
    scheme, _, place = auth_server.jwks_url.partition("://")
    jwks = Jwks(f"{scheme}://ada:hush@{place}?key=hush")
    with pytest.raises(KeysUnavailable):
        await jwks.fetch()
    await jwks.aclose()
    [record] = [each for each in caplog.records if each.name == "auth.keys"]
    assert record.getMessage().startswith(f"The keys at {auth_server.jwks_url} cannot be fetched: ")
    assert "hush" not in caplog.text


async def test_a_fetch_that_fails_is_told_although_the_keys_stay_good(
    auth_server: AuthServer, jwks: Jwks
) -> None:
    kid = auth_server.add_key()
    assert await jwks.fetch() == 1
    auth_server.answer = (500, b"")
    with pytest.raises(KeysUnavailable, match="500"):
        await jwks.fetch()
    assert (await jwks.key(kid)).algorithm == "EdDSA"


async def test_a_key_set_may_have_262144_bytes(auth_server: AuthServer, jwks: Jwks) -> None:
    kid = auth_server.add_key()
    document = json.dumps({"keys": auth_server.public_keys})
    auth_server.answer = (200, document.ljust(262_144).encode())
    assert (await jwks.key(kid)).algorithm == "EdDSA"


@pytest.mark.parametrize("url", ["http://127.0.0.1:99999/", "http://[::1/", "ftp://127.0.0.1/"])
async def test_an_odd_url_is_an_answer_too(url: str) -> None:
    jwks = Jwks(url)
    with pytest.raises(KeysUnavailable):
        await jwks.key("any")
    await jwks.aclose()


async def test_a_redirect_is_not_followed(auth_server: AuthServer) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        location = f"Location: {auth_server.jwks_url}\r\nContent-Length: 0\r\n\r\n"
        writer.write(b"HTTP/1.1 302 Found\r\n" + location.encode())
        await writer.drain()
        writer.close()

    elsewhere = await asyncio.start_server(redirect, "127.0.0.1", 0)
    jwks = Jwks(f"http://127.0.0.1:{elsewhere.sockets[0].getsockname()[1]}/jwks")
    with pytest.raises(KeysUnavailable, match="302"):
        await jwks.key(auth_server.add_key())
    assert auth_server.fetches == 0
    await jwks.aclose()
    elsewhere.close()


async def test_a_server_that_never_answers_is_not_waited_for(auth_server: AuthServer) -> None:
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    silent = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    jwks = Jwks(f"http://127.0.0.1:{port}/jwks", timeout=0.05)
    try:
        with pytest.raises(KeysUnavailable, match=r"within 0\.05 seconds"):
            await jwks.key("any")
    finally:
        await jwks.aclose()
        silent.close()


async def test_a_fetch_under_way_is_given_up_at_the_end(auth_server: AuthServer) -> None:
    jwks = Jwks(auth_server.jwks_url)
    waiting = asyncio.create_task(jwks.key("any"))
    await asyncio.sleep(0)
    await jwks.aclose()
    assert jwks._fetching is not None
    assert jwks._fetching.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await waiting
