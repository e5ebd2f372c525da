"""The page: what the public may see, what a preview shows, and outside text that stays text."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from typing import Any, cast
from urllib.parse import urlsplit

import pytest

from core import db
from core.models import Tier
from core.queries import collecting
from tests.api.conftest import Api, Clock, MakeApi, database_away
from tests.api.rows import HOUR, insert_arbitrage, insert_digest, insert_grade, insert_insight, insert_market, leg
from tests.conftest import NOW

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert('x')>",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</title></style><iframe src=//evil.example>",
    "{{ 7 * 7 }} {% raw %}",
    "&lt;b&gt; &amp; &#x3c;i&#x3e;",
    "\u202egnp.exe\u202c\u2066x\u200f",
    "<!-- open",
    "\x1b[2J\x07",
    "http://evil.example/track.png",
]


VENUES = {"Open on Kalshi": "kalshi.com", "Open on Polymarket": "polymarket.com"}
KALSHI_PAGE = "https://kalshi.com/markets/kxfed/event/kxfed-26dec"
POLYMARKET_PAGE = "https://polymarket.com/event/fed-december/above-375"


class Seen(HTMLParser):
    """The tags, attributes, links and text a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()
        self.links: list[tuple[list[tuple[str, str | None]], str]] = []
        self.text = ""
        self._in_link = False
        self.feed(page)
        self.close()
        assert not self._in_link

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert not self._in_link, f"<{tag}> within a link"
        self.tags.add(tag)
        if tag == "a":
            self.links.append((attrs, ""))
            self._in_link = True
        else:
            self.attributes |= {(name, value or "") for name, value in attrs}

    def handle_endtag(self, tag: str) -> None:
        self._in_link = self._in_link and tag != "a"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_link:
            attrs, text = self.links[-1]
            self.links[-1] = (attrs, text + data)

    def pages(self) -> list[str]:
        """Where the links lead, each of which is one that our own code built: in our words, to a venue's market."""
        found = []
        for attrs, text in self.links:
            (href, url), rel = attrs
            assert (href, rel) == ("href", ("rel", "noopener noreferrer nofollow")), attrs
            assert url is not None
            assert re.fullmatch(r"https://[a-z.]+(/[A-Za-z0-9][A-Za-z0-9._-]*)+", url), url
            parts = urlsplit(url)
            assert parts.netloc == VENUES[text], (url, text)
            assert parts.path.startswith({"kalshi.com": "/markets/", "polymarket.com": "/event/"}[parts.netloc]), url
            found.append(url)
        return found


async def page(api: Api) -> str:
    answer = await api.http.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


async def test_the_public_sees_only_what_is_over(api: Api, connection: db.Connection) -> None:
    over = await insert_insight(connection, "expired", expires_at=NOW)
    alive = await insert_insight(connection, "alive", expires_at=NOW + timedelta(microseconds=1))
    await insert_insight(connection, "ended early", expires_at=NOW + HOUR, ended_at=NOW - HOUR)
    await insert_arbitrage(connection, "living pair")
    await insert_arbitrage(connection, "dead pair", expires_at=NOW - HOUR)
    await insert_digest(connection, [over, alive], NOW - HOUR)
    text = await page(api)
    assert "expired" in text
    assert not any(word in text for word in ("alive", "ended early", "living pair", "dead pair", "Demonstration"))


@pytest.mark.parametrize(
    ("tier", "shown"),
    [
        (Tier.BASIC, {"picked"}),
        (Tier.PREMIUM, {"picked", "on the hour", "hourly pair"}),
        (Tier.PRO, {"picked", "on the hour", "just now", "hourly pair", "live pair"}),
    ],
)
async def test_a_preview_says_so_and_shows_that_tier_and_no_more(
    make_api: MakeApi, connection: db.Connection, tier: Tier, shown: set[str]
) -> None:
    api = await make_api(preview_tier=tier.value)
    picked = await insert_insight(connection, "picked")
    await insert_digest(connection, [picked], NOW - HOUR)
    await insert_insight(connection, "on the hour", NOW.replace(minute=0))
    await insert_insight(connection, "just now", NOW)
    await insert_arbitrage(connection, "hourly pair", NOW.replace(minute=0), edge="3.3")
    await insert_arbitrage(connection, "live pair", NOW)
    text = Seen(await page(api)).text
    assert f"This page shows what a {tier} subscriber sees." in text
    every = {"picked", "on the hour", "just now", "hourly pair", "live pair"}
    assert {words for words in every if words in text} == shown
    assert ("Where the venues disagree" in text) == (tier is not Tier.BASIC)


def told(text: str) -> dict[str, list[dict[str, Any]] | str]:
    """A digest that says `text` wherever it says anything."""
    line = {"market_id": text, "market_title": text, "recommendation": "CAUTION", "one_liner": text}
    past = {"market_id": text, "market_title": text, "recommendation": "CAUTION", "position": "YES"}
    return {
        "market_sentiment": text,
        "top_picks": [line | {"confidence": None, "confidence_basis": text}],
        "avoid_list": [line | {"reason": f"because {text}"}],
        "watchlist": [line | {"trigger": f"once {text}"}],
        "arbitrage_opportunities": [{"description": text, "potential_edge": text}],
        "yesterday": [
            past | {"by": "outcome", "payout": 1.0, "net_cents": 41.25},
            past | {"by": "sale", "payout": None, "net_cents": None},
            past | {"by": None, "payout": None, "net_cents": None},
        ],
    }


def items(digest: dict[str, list[dict[str, Any]] | str], name: str) -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", digest[name])


@pytest.mark.parametrize(
    ("tier", "at", "pairs"),
    [
        (Tier.BASIC, NOW - HOUR, False),
        (Tier.PREMIUM, NOW - HOUR, True),
        (Tier.PREMIUM, NOW.replace(minute=1), False),
        (Tier.PRO, NOW.replace(minute=1), True),
    ],
)
async def test_a_preview_shows_the_digest_with_what_its_tier_may_see_of_it(
    make_api: MakeApi, connection: db.Connection, tier: Tier, at: datetime, pairs: bool
) -> None:
    await insert_digest(connection, [], at, **told("as written"))
    text = Seen(await page(await make_api(preview_tier=tier.value))).text
    assert "The digest of 2026-11-22" in text
    assert text.count("as written") == (14 if pairs else 12)
    assert "settled, +41.2¢ a contract after fees" in text
    assert "sold when its time was up" in text
    assert "not known yet" in text
    assert ("Where the venues disagreed" in text) == pairs


@pytest.mark.parametrize(
    ("recommendations", "heading"),
    [(["CAUTION", "GOOD_BET"], "Top picks"), (["CAUTION", "AVOID"], "No bet today; what came closest")],
)
async def test_a_day_without_a_bet_is_not_headed_by_picks(
    make_api: MakeApi, connection: db.Connection, recommendations: list[str], heading: str
) -> None:
    line = {"market_id": "X", "market_title": "X", "one_liner": "X", "confidence": None, "confidence_basis": ""}
    await insert_digest(
        connection, [], NOW - HOUR, top_picks=[line | {"recommendation": said} for said in recommendations]
    )
    text = Seen(await page(await make_api(preview_tier="basic"))).text
    assert [name for name in ("Top picks", "No bet today; what came closest") if name in text] == [heading]


async def test_of_a_pick_without_a_position_no_result_is_promised(make_api: MakeApi, connection: db.Connection) -> None:
    past = {"market_id": "X", "market_title": "a title", "recommendation": "CAUTION", "position": "WAIT"}
    for by, payout in ((None, None), ("outcome", 1.0)):
        await connection.execute("DELETE FROM digests")
        yesterday = [past | {"by": by, "payout": payout, "net_cents": None}]
        await insert_digest(connection, [], NOW - HOUR, yesterday=yesterday)
        text = Seen(await page(await make_api(preview_tier="pro"))).text
        assert re.search(r"a title: WAIT,\s+so there is nothing to settle", text)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"by": "outcome", "payout": 1.0, "net_cents": 41.25, "ended": "withdrawn"}, "settled, +41.2¢ a contract"),
        ({"by": "sale", "net_cents": -3.0, "ended": "expired"}, "sold when its time was up, -3.0¢ a contract"),
        (
            {"by": "sale", "net_cents": -3.0, "ended": "withdrawn"},
            "sold when it was withdrawn on 11-22 09:30 UTC, before its time, -3.0¢ a contract",
        ),
        ({"ended": "withdrawn"}, "withdrawn on 11-22 09:30 UTC, before its time; not known yet, as its market has not"),
        ({"ended": "closed"}, "not known yet, as its market stopped trading on 11-22 09:30 UTC, before its time"),
        ({"ended": "expired"}, "not known yet"),
        ({"ended": None, "ended_at": None}, "not known yet"),
        ({"by": "sale", "net_cents": 3.0}, "sold when its time was up, +3.0¢ a contract"),
    ],
)
async def test_of_a_pick_that_is_over_all_that_is_known_is_told(
    make_api: MakeApi, connection: db.Connection, given: dict[str, Any], said: str
) -> None:
    past = {"market_id": "X", "market_title": "a title", "recommendation": "GOOD_BET", "position": "NO"}
    known = {"by": None, "payout": None, "net_cents": None}
    ended = {"ended_at": "2026-11-22T09:30:00Z"} if given.get("ended") else {}
    await insert_digest(connection, [], NOW - HOUR, yesterday=[past | known | ended | given])
    text = " ".join(Seen(await page(await make_api(preview_tier="pro"))).text.split())
    assert f"a title: NO, {said}" in text


async def test_what_came_of_each_insight_that_is_over_is_public(api: Api, connection: db.Connection) -> None:
    titles = ("settled", "sold", "withdrawn", "waited", "unknown")
    over = {
        title: await insert_insight(
            connection,
            f"it {title}",
            NOW - 5 * HOUR,
            expires_at=NOW - HOUR,
            ended_at=NOW - 2 * HOUR if title == "withdrawn" else None,
            suggested_position="WAIT" if title == "waited" else "NO",
        )
        for title in titles
    }
    await insert_grade(connection, over["settled"], "sale", NOW - 2 * HOUR, "-9")
    await insert_grade(connection, over["settled"], "outcome", NOW - HOUR, "55.5", "0")
    await insert_grade(connection, over["settled"], "outcome", NOW + HOUR, "-44.5", "1")
    await insert_grade(connection, over["sold"], "sale", NOW, "-3.25")
    await insert_grade(connection, over["withdrawn"], "sale", NOW, "1.5")
    await insert_grade(connection, over["waited"], "outcome", NOW, None, "1")
    await insert_grade(connection, over["unknown"], "sale", NOW, None)
    text = " ".join(Seen(await page(api)).text.split())
    known = {title: re.search(f"it {title} .*?What came of it: (.*?) Thin volume", text) for title in titles}
    assert {title: found and found[1] for title, found in known.items()} == {
        "settled": "NO, settled, +55.5¢ a contract after fees",
        "sold": "NO, sold when its time was up, -3.2¢ a contract after fees",
        "withdrawn": "NO, sold when it was withdrawn on 11-22 11:05 UTC, before its time, +1.5¢ a contract after fees",
        "waited": "WAIT, so there is nothing to settle",
        "unknown": "NO, not known yet",
    }


async def test_the_public_sees_no_digest(api: Api, connection: db.Connection) -> None:
    await insert_digest(connection, [], NOW - HOUR, **told("as written"))
    assert "as written" not in await page(api)


@pytest.mark.parametrize("preview", [None, "basic", "premium", "pro"])
async def test_an_empty_database_gives_a_page_with_the_reason(make_api: MakeApi, preview: str | None) -> None:
    text = Seen(await page(await make_api(preview_tier=preview))).text
    assert "no job has ended well so far" in text
    assert "none collected yet" in text
    assert "An insight is shown here once its time is over" in text
    assert "Information, not financial advice." in text
    if preview == "basic":
        assert "it is made at 13:00 UTC" in text
    elif preview:
        assert re.search(r"the analyst\s+has not run yet", text)
        assert "No pair paid after fees when the books were last read" in text


async def test_the_page_says_how_fresh_it_is(api: Api, connection: db.Connection) -> None:
    await connection.execute(
        "INSERT INTO job_runs (id, job, holder, started_at, status) VALUES "
        "(gen_random_uuid(), 'collect', 'h', $1, 'ok'), (gen_random_uuid(), 'collect', 'h', $2, 'failed'), "
        "(gen_random_uuid(), 'analyze', 'h', $3, 'ok')",
        NOW - timedelta(minutes=7),
        NOW,
        NOW - 5 * HOUR,
    )
    await insert_insight(connection, "one")
    await collecting.mark_swept(connection, "kalshi", [], NOW - timedelta(minutes=9))
    await connection.execute("UPDATE markets SET missing_since = NULL")
    text = Seen(await page(api)).text
    assert "collect 7 min ago" in text
    assert "analyze 5 h ago" in text
    assert "kalshi 1, read 9 min ago" in text
    assert "no job has ended well" not in text


@pytest.mark.parametrize(
    ("collect", "analyze", "polymarket", "late"),
    [
        (45, 45, 45, []),
        (46, 45, 45, ["collect last ran well 46 min ago"]),
        (10, 46, 10, ["analyze last ran well 46 min ago"]),
        (10, 10, 300, ["polymarket was last read whole 5 h ago"]),
        (10, None, 10, []),
    ],
)
async def test_what_is_not_up_to_date_is_said_above_all(
    api: Api, connection: db.Connection, collect: int, analyze: int | None, polymarket: int, late: list[str]
) -> None:
    """Within an interval, the job's deadline and the grace of the dead man's check: 15 + 10 + 20 minutes."""
    for job, minutes in (("collect", collect), ("analyze", analyze)):
        if minutes is not None:
            await connection.execute(
                "INSERT INTO job_runs (id, job, holder, started_at, status) "
                "VALUES (gen_random_uuid(), $1, 'h', $2, 'ok')",
                job,
                NOW - timedelta(minutes=minutes),
            )
    await collecting.mark_swept(connection, "kalshi", [], NOW)
    await collecting.mark_swept(connection, "polymarket", [], NOW - timedelta(minutes=polymarket))
    text = Seen(await page(api)).text
    assert ("Not up to date" in text) == bool(late)
    assert all(words in text for words in late)


async def test_premium_is_told_of_which_hour_its_lists_are(make_api: MakeApi) -> None:
    text = Seen(await page(await make_api(preview_tier="premium"))).text
    assert "Insights (hourly, as of 13:00 UTC)" in text
    assert "None stood at 13:00 UTC" in text
    assert "Insights (real-time)" in Seen(await page(await make_api(preview_tier="pro"))).text


async def test_a_simulated_clock_is_said(make_api: MakeApi) -> None:
    assert "simulated" not in await page(await make_api())
    assert "(simulated, fast clock)" in await page(await make_api(clock_start=NOW))


async def test_each_item_leads_to_its_market(make_api: MakeApi, connection: db.Connection) -> None:
    await insert_insight(connection, "alive", NOW - HOUR, url=KALSHI_PAGE)
    await insert_insight(connection, "over", expires_at=NOW - HOUR, url=POLYMARKET_PAGE)
    await insert_insight(connection, "unknown", expires_at=NOW - HOUR, url=None)
    await insert_market(connection, "KX-1", "Rain?", url=f"{KALSHI_PAGE}-2")
    await insert_market(connection, "0x1", "Rain?", platform="polymarket", url=f"{POLYMARKET_PAGE}-2")
    await insert_arbitrage(connection, "pair", NOW, legs=[leg("KX-1"), leg("0x1", "polymarket"), leg("0x2")])
    sections = told("as written")
    for name in ("top_picks", "avoid_list", "watchlist", "yesterday"):
        sections[name] = [one | {"url": f"{KALSHI_PAGE}.{name}"} for one in items(sections, name)]
    legs = [{"side": "YES", "url": f"{KALSHI_PAGE}.leg"}, {"side": "NO", "url": None}]
    sections["arbitrage_opportunities"] = [one | {"legs": legs} for one in items(sections, "arbitrage_opportunities")]
    await insert_digest(connection, [], NOW - HOUR, **sections)
    seen = Seen(await page(await make_api(preview_tier="pro")))
    listed = [f"{KALSHI_PAGE}.{name}" for name in ("top_picks", "avoid_list", "watchlist", "leg", *["yesterday"] * 3)]
    alive = [KALSHI_PAGE, f"{KALSHI_PAGE}-2", f"{POLYMARKET_PAGE}-2"]
    assert seen.pages() == [*listed, *alive, POLYMARKET_PAGE]
    assert Seen(await page(await make_api())).pages() == [POLYMARKET_PAGE], "the public sees what is over"


@pytest.mark.parametrize(
    "url",
    [
        *HOSTILE,
        "http://kalshi.com/markets/kxfed/event/kxfed-26dec",
        "https://evil.example/markets/kxfed/event/kxfed-26dec",
        "https://kalshi.com@evil.example/markets/kxfed/event/kxfed-26dec",
        "https://kalshi.com.evil.example/markets/kxfed/event/kxfed-26dec",
        "https://polymarket.com/event/fed?next=//evil.example",
        'https://polymarket.com/event/fed" onmouseover="alert(1)',
        "https://polymarket.com/event/fed\n",
        "https://polymarket.com/market/fed",
    ],
)
async def test_an_address_that_is_not_of_our_making_is_no_link(
    make_api: MakeApi, connection: db.Connection, url: str
) -> None:
    await insert_insight(connection, "alive", NOW - HOUR, url=url)
    await insert_market(connection, "KX-1", "Rain?", url=url)
    await insert_arbitrage(connection, "pair", NOW, legs=[leg("KX-1")])
    line = items(told("as written"), "top_picks")[0] | {"url": url}
    await insert_digest(connection, [], NOW - HOUR, top_picks=[line])
    whole = await page(await make_api(preview_tier="pro"))
    assert Seen(whole).links == []
    assert "evil.example" not in whole


async def test_outside_text_stays_text(make_api: MakeApi, connection: db.Connection) -> None:
    api = await make_api(preview_tier="pro")
    plain = Seen(await page(await make_api(preview_tier="pro")))
    for text in HOSTILE:
        for expires_at in (NOW - HOUR, NOW + HOUR):
            await insert_insight(
                connection,
                text,
                expires_at=expires_at,
                category=text,
                one_liner=text,
                reasoning=text,
                edge_explanation=text,
                confidence_basis=text,
                model=text,
                risk_factors=[text],
                url=text,
                evidence=[{"id": text, "name": text, "label": text, "value": text, "unit": text}],
            )
        await insert_arbitrage(connection, text, legs=[leg(text, title=text, side=text)])
        await connection.execute("DELETE FROM digests")
        await insert_digest(connection, [], NOW - HOUR, **told(" ".join(HOSTILE)))
    whole = await page(api)
    seen = Seen(whole)
    assert seen.tags - plain.tags <= {
        "article",
        "h3",
        "span",
        "details",
        "summary",
        "table",
        "tr",
        "td",
        "ul",
        "ol",
        "li",
    }
    assert {name for name, _ in seen.attributes} <= {"lang", "charset", "name", "content", "http-equiv", "class"}
    for text in HOSTILE[:8]:
        assert seen.text.count(text) >= 2, text
    assert seen.links == []
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00-\x08\x0b-\x1f]", whole)


async def test_the_page_loads_nothing_and_may_load_nothing(api: Api, connection: db.Connection) -> None:
    await insert_insight(connection, "over", expires_at=NOW - HOUR, url=KALSHI_PAGE)
    answer = await api.http.get("/")
    seen = Seen(answer.text)
    assert not seen.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "area"}
    assert not {name for name, _ in seen.attributes} & {"src", "href", "action", "style", "ping"}
    assert seen.pages() == [KALSHI_PAGE], "a link loads nothing until somebody follows it"
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "http" not in policy


async def test_unknown_prices_are_a_dash(api: Api, connection: db.Connection) -> None:
    await insert_insight(connection, "over", expires_at=NOW, yes_price_at_emission=None, confidence_score=None)
    text = Seen(await page(api)).text
    assert "YES – / NO –" in text
    assert re.search(r"confidence unknown\s+\(unproven\)", text)


async def test_a_crowd_asks_the_database_once(api: Api, connection: db.Connection) -> None:
    await insert_insight(connection, "first", expires_at=NOW)
    await page(api)
    await connection.execute("TRUNCATE ai_insights")
    assert "first" in await page(api)


async def test_a_crowd_at_once_costs_one_page(make_api: MakeApi) -> None:
    """Each would count all markets, while others wait for a connection."""
    api = await make_api(database_pool_size=1)
    headers = await api.signed_in(Tier.FREE)
    resources = api.app.state.resources
    async with resources.connection():
        crowd = [asyncio.ensure_future(api.http.get("/")) for _ in range(150)]
        while resources._waiting < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        asked = asyncio.ensure_future(api.http.get("/api/v1/markets", headers=headers))
        await asyncio.sleep(0.1)
    assert (await asked).status_code == 200
    assert {answer.status_code for answer in await asyncio.gather(*crowd)} == {200}


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "application/json;q=0.1, TEXT/HTML ; q=0.9"])
async def test_without_the_database_a_browser_is_told_so_in_a_page(make_api: MakeApi, accept: str) -> None:
    api = await make_api(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    answer = await api.http.get("/", headers={"accept": accept})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    seen = Seen(answer.text)
    assert "OddWons is away for a moment" in seen.text
    assert not seen.tags & {"script", "link", "img", "form", "a"}
    assert "nobody" not in answer.text


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "text/html;q=0, */*", "text/htmlx", "", "text/html;q=0.000;level=1"]
)
async def test_without_the_database_all_others_are_told_as_by_the_api(make_api: MakeApi, accept: str) -> None:
    api = await make_api(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    headers = await api.signed_in(Tier.PRO) | {"accept": accept}
    answer = await api.http.get("/", headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_api_tells_a_browser_too_as_it_tells_everyone(make_api: MakeApi) -> None:
    api = await make_api(database_url="postgresql://nobody@127.0.0.1:1/nothing")
    answer = await api.http.get("/api/v1/markets", headers=await api.signed_in(Tier.PRO) | {"accept": BROWSER})
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"


async def test_the_page_is_back_as_soon_as_the_database_is(
    make_api: MakeApi, postgres_dsn: str, database_url: str, connection: db.Connection
) -> None:
    await insert_insight(connection, "over", expires_at=NOW - HOUR)
    api = await make_api(database_connect_timeout_s=1)
    with database_away(postgres_dsn, database_url):
        assert (await api.http.get("/", headers={"accept": BROWSER})).status_code == 503
    assert "over" in await page(api)


async def test_what_stands_for_premium_this_hour_is_public_only_when_it_is_over(
    make_api: MakeApi, connection: db.Connection
) -> None:
    await insert_insight(connection, "soon over", expires_at=NOW + timedelta(minutes=1))
    assert "soon over" not in await page(await make_api(clock=Clock(NOW)))
    assert "soon over" in await page(await make_api(clock=Clock(NOW + timedelta(minutes=1))))
