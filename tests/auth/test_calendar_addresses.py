"""Addresses of calendars: each names its owner in one way, and only the right secret proves it."""

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.calendar_addresses import address_of, claimed_owner, hash_of, new_secret
from auth.signing import is_user_id
from models.user import UserId

SECRET = "A" * 43


def encoded(owner: bytes) -> str:
    return urlsafe_b64encode(owner).rstrip(b"=").decode()


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=255).filter(is_user_id))
def test_an_address_names_its_owner_and_is_fit_for_a_url(owner: str) -> None:
    address = address_of(UserId(owner), SECRET)
    assert set(address) <= {*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."}
    claimed = claimed_owner(address)
    assert claimed is not None
    assert claimed.owner == owner
    assert claimed.is_proven_by(hash_of(SECRET))
    assert not claimed.is_proven_by(hash_of("B" * 43))


def test_the_longest_id_of_a_user_has_an_address() -> None:
    owner = UserId("😀" * 255)
    claimed = claimed_owner(address_of(owner, SECRET))
    assert claimed is not None
    assert claimed.owner == owner


def test_a_secret_has_256_random_bits_and_is_never_the_same() -> None:
    secrets = {new_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    # 43 digits of Base64 have 258 bits.
    assert {len(secret) for secret in secrets} == {43}
    assert all(claimed_owner(address_of(UserId("ada"), secret)) for secret in secrets)


def test_the_hash_of_a_secret_never_changes() -> None:
    assert hash_of(SECRET) == "0f007385b6f9d4b7eeb2748605afe1a984a0a3bfa3f014d09e2a784ce9e5cd1a"


@pytest.mark.parametrize(
    "address",
    [
        "",
        ".",
        SECRET,
        f".{SECRET}",
        "YWRh.",
        f"YWRh.{SECRET}A",
        f"YWRh.{SECRET[1:]}",
        f"YWRh.{SECRET[1:]}.",
        f"YWRh.{SECRET[1:]}é",
        f"YWRh.{SECRET}\n",
        f"YWRh.YWRh.{SECRET}",
        f"YWRh={SECRET}",
        # Other spellings of the same.
        f"YWRh=.{SECRET}",
        f"YWR h.{SECRET}",
        f"YWQ.{SECRET}"[:-1],
        f"YWR.{SECRET}",
        f"YWRhA.{SECRET}",
        # No id that a token can have.
        f"{encoded(b'')}.{SECRET}",
        f"{encoded(bytes([255]))}.{SECRET}",
        f"{encoded(b'a' + bytes(1))}.{SECRET}",
        f"{encoded(b'a' * 256)}.{SECRET}",
        f"{encoded(bytes.fromhex('eda080'))}.{SECRET}",
    ],
    ids=ascii,
)
def test_what_is_no_address_names_nobody(address: str) -> None:
    assert claimed_owner(address) is None


@given(st.text(max_size=100))
def test_any_text_is_an_address_or_none(text: str) -> None:
    assert claimed_owner(text) is None
    claimed = claimed_owner(f"{text}.{SECRET}")
    assert claimed is None or address_of(claimed.owner, SECRET) == f"{text}.{SECRET}"
