"""What the replay is told to do wrong it does, as often as it says, and the same way each time."""

from typing import Any

import httpx
import orjson
import pytest

from local.replay_faults import ROW_FAULTS
from tests.local.replayed import GAMMA, KALSHI

EVENTS = {
    "kalshi": f"{KALSHI}/events?status=open&with_nested_markets=true",
    "polymarket": f"{GAMMA}/events/keyset?closed=false",
}
VENUES = tuple(EVENTS)


async def tell(http: httpx.AsyncClient, **wanted: Any) -> None:
    (await http.post("/control", json=wanted)).raise_for_status()


async def done(http: httpx.AsyncClient, venue: str) -> dict[str, Any]:
    found: dict[str, Any] = (await http.get("/control?ids=true")).json()[venue]
    return found


def identity(market: dict[str, Any]) -> Any:
    return market.get("ticker") or market.get("conditionId")


async def markets(http: httpx.AsyncClient, venue: str, limit: int = 100) -> list[dict[str, Any]]:
    """All listed markets, event by event, however the pages are cut."""
    found, cursor = [], ""
    sent, given = ("cursor", "cursor") if venue == "kalshi" else ("after_cursor", "next_cursor")
    while True:
        page = (await http.get(f"{EVENTS[venue]}&limit={limit}&{sent}={cursor}")).json()
        found += [market for event in page["events"] for market in event["markets"]]
        cursor = page.get(given)
        if not cursor:
            return found


async def raw(http: httpx.AsyncClient, venue: str) -> bytes:
    return (await http.get(f"{EVENTS[venue]}&limit=100")).content


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("fault", sorted(set(ROW_FAULTS) - {"nan", "infinity", "duplicate_id", "string_for_number"}))
async def test_a_row_fault_changes_the_rows_it_counts_and_no_other(
    http: httpx.AsyncClient, venue: str, fault: str
) -> None:
    sound = await markets(http, venue)
    await tell(http, venue=venue, seed=3, **{fault: 0.02 if fault == "huge_title" else 0.2})
    spoiled = await markets(http, venue)
    told = await done(http, venue)
    pairs = zip(sound, spoiled, strict=True)
    changed = [good for good, bad in pairs if repr(good) != repr(bad)]  # for Python, 1 == True
    assert changed
    assert sorted(map(identity, changed)) == told["ids"][fault]
    assert told["done"] == {fault: len(changed)} == told["rows"]


@pytest.mark.parametrize(("fault", "word"), [("nan", b"NaN"), ("infinity", b"-Infinity")])
@pytest.mark.parametrize("venue", VENUES)
async def test_words_that_are_no_numbers_break_the_body(
    http: httpx.AsyncClient, venue: str, fault: str, word: bytes
) -> None:
    await tell(http, venue=venue, **{fault: 0.05})
    body = await raw(http, venue)
    assert body.count(b":" + word) == (await done(http, venue))["done"][fault] > 0
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(body)


@pytest.mark.parametrize("venue", VENUES)
async def test_duplicate_rows_are_counted(http: httpx.AsyncClient, venue: str) -> None:
    sound = len(await markets(http, venue))
    await tell(http, venue=venue, duplicate_id=0.1)
    rows = [identity(market) for market in await markets(http, venue)]
    assert len(rows) - sound == len(rows) - len(set(rows)) == (await done(http, venue))["done"]["duplicate_id"] > 0


@pytest.mark.parametrize("venue", VENUES)
async def test_the_same_rows_are_spoiled_in_any_order(http: httpx.AsyncClient, venue: str) -> None:
    seen = []
    for limit in (100, 7):
        await tell(http, venue=venue, seed=5, wrong_type=0.1)
        await markets(http, venue, limit)
        seen.append((await done(http, venue))["ids"])
    assert seen[0] == seen[1]
    await tell(http, venue=venue, seed=6)
    await markets(http, venue)
    assert (await done(http, venue))["ids"] != seen[0]


async def test_string_for_number_concerns_the_venue_that_sends_numbers(http: httpx.AsyncClient) -> None:
    await tell(http, string_for_number=1)
    assert all(isinstance(market["volumeNum"], str) for market in await markets(http, "polymarket"))


@pytest.mark.parametrize("venue", VENUES)
async def test_an_event_may_have_null_for_its_markets(http: httpx.AsyncClient, venue: str) -> None:
    await tell(http, venue=venue, null_markets=0.3)
    events = orjson.loads(await raw(http, venue))["events"]
    assert sum(event["markets"] is None for event in events) == (await done(http, venue))["done"]["null_markets"] > 0


@pytest.mark.parametrize("venue", VENUES)
async def test_a_page_can_be_repeated_for_ever(http: httpx.AsyncClient, venue: str) -> None:
    sent, given = ("cursor", "cursor") if venue == "kalshi" else ("after_cursor", "next_cursor")
    await tell(http, venue=venue, repeat_page=1)
    first = (await http.get(f"{EVENTS[venue]}&limit=5")).json()
    page = first
    for _ in range(4):
        page = (await http.get(f"{EVENTS[venue]}&limit=5&{sent}={page[given]}")).json()
        assert page == first
    assert (await done(http, venue))["done"] == {"repeat_page": 4}


async def test_answers_fail_as_often_as_counted_and_each_fault_has_its_own_draws(http: httpx.AsyncClient) -> None:
    async def statuses(**faults: float) -> list[int]:
        await tell(http, reset=True, seed=9, **faults)
        return [(await http.get(f"{KALSHI}/exchange/status")).status_code for _ in range(60)]

    alone = await statuses(rate_500=0.2)
    both = await statuses(rate_500=0.2, garbage=0.3)
    assert alone == both
    assert alone.count(500) == (await done(http, "kalshi"))["done"]["rate_500"] > 0


async def test_a_hang_ends_at_its_bound(http: httpx.AsyncClient) -> None:
    await tell(http, venue="kalshi", hang=1, hang_s=0.01)
    assert (await http.get(f"{KALSHI}/exchange/status")).status_code == 504
    assert (await done(http, "kalshi"))["done"] == {"hang": 1}


async def test_reset_makes_everything_well_again(http: httpx.AsyncClient) -> None:
    sound = await raw(http, "kalshi")
    await tell(http, rate_500=1, wrong_type=1, latency_s=0.001, orderbook_401=True, down=True)
    await tell(http, reset=True)
    assert await raw(http, "kalshi") == sound
    control = (await http.get("/control")).json()
    assert control["orderbook_401"] is False
    assert control["kalshi"]["done"] == {}


@pytest.mark.parametrize("wanted", [{"rate_429": 1.5}, {"nan": "often"}, {"no_such_fault": 1}, {"venue": "elsewhere"}])
async def test_a_setting_that_makes_no_sense_is_refused(http: httpx.AsyncClient, wanted: dict[str, Any]) -> None:
    assert (await http.post("/control", json=wanted)).status_code == 400
    assert (await http.get(f"{KALSHI}/exchange/status")).status_code == 200


async def test_what_was_served_is_counted(http: httpx.AsyncClient) -> None:
    body = await raw(http, "polymarket")
    served = (await http.get("/control/served")).json()
    assert (served["polymarket"]["answers"], served["polymarket"]["bytes"]) == (1, len(body))
    assert served["polymarket"]["cpu_s"] > 0
    assert served["kalshi"] == {"answers": 0, "bytes": 0, "cpu_s": 0}
    assert served["process_cpu_s"] > 0
