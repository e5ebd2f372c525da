"""Sentences about four markets: true ones that must be published, and others that must not. Each is judged alone.

TREATY (the position is YES): price 40¢, YES ask 41¢, NO ask 61¢, spread 2¢, -6¢ in the last hour, +9¢ in the last day,
8.2 usual moves, 900 contracts in the last hour, 100 in a usual one, 9 times, 12,345 a day, other venue 46¢, fee 1.7¢,
edge 3.3¢, 48 hours to the close, prices 4 minutes old.
FED (WAIT, no other venue): price 72¢, YES ask 73¢, NO ask 28¢, spread 1¢, +5¢ in the last hour, 6.4 usual moves, 88,000
contracts a day, 300 hours.
GAME (NO; YES is the Chiefs, NO the Bills; Polymarket): price 61¢, asks 62¢ and 41¢, spread 3¢, $15,000 in the last
hour, $4,400 in a usual one, 3.4 times, $48,200 a day, other venue 35¢, fee 1.7¢, edge 22.3¢, 5.5 hours.
PRIMARY (WAIT): price 33¢, asks 34¢ and 68¢, 5 outcomes bid at 104¢ together, 7,000 contracts a day, 72 hours.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from core.agent.evidence import Candidate
from tests.core.agent.making import NOW, make_candidate, make_pattern


def _market(title: str, rules: str, prices: str, hours: float, numbers: dict[str, float], **given: object) -> Candidate:
    price, yes, no, volume, fair = (None if word == "-" else Decimal(word) for word in prices.split())
    assert price is not None
    assert yes is not None
    assert no is not None
    return make_candidate(
        pattern=make_pattern(numbers=numbers, platform=given.pop("platform", "kalshi")),
        title=title,
        rules=rules,
        price=price / 100,
        yes_price=yes / 100,
        no_price=no / 100,
        volume_24h=volume,
        fair=None if fair is None else fair / 100,
        close_time=NOW + timedelta(hours=hours),
        **given,
    )


MARKETS: dict[str, tuple[Candidate, str]] = {
    "TREATY": (
        _market(
            "Will the treaty be signed by Dec 31?",
            "Resolves to Yes if both parties sign.",
            "40 41 61 12345 46",
            48,
            {
                "move_1h_cents": -6.0,
                "move_24h_cents": 9.0,
                "move_sigmas": 8.2,
                "volume_1h": 900.0,
                "volume_typical_1h": 100.0,
                "volume_ratio": 9.0,
            },
        ),
        "YES",
    ),
    "FED": (
        _market(
            "Will the Fed cut rates by 25 bps in December?",
            "Resolves to Yes if the Federal Reserve lowers the upper bound by 25 basis points.",
            "72 73 28 88000 -",
            300,
            {"move_1h_cents": 5.0, "move_sigmas": 6.4},
        ),
        "WAIT",
    ),
    "GAME": (
        _market(
            "Chiefs vs. Bills",
            "Resolves to the winner of the game.",
            "61 62 41 48200 35",
            5.5,
            {"volume_1h": 15000.0, "volume_typical_1h": 4400.0, "volume_ratio": 3.4},
            platform="polymarket",
            yes_label="Chiefs",
            no_label="Bills",
        ),
        "NO",
    ),
    "PRIMARY": (
        _market(
            "Who wins the primary? — Smith",
            "Resolves to Yes if Smith wins.",
            "33 34 68 7000 -",
            72,
            {"sum_bids_cents": 104.0, "outcomes": 5.0},
            yes_label="Smith",
            no_label="Smith",
        ),
        "WAIT",
    ),
}

TRUE: dict[str, str] = {
    "TREATY": """
        There may be no news behind it.
        If news is behind the drop, it may take days to show.
        A signing may have become less likely.
        Other traders may know more.
        Polymarket buyers value YES at 46¢, yet it is on offer here for 41¢.
        Once the 1.7¢ fee is paid, 3.3¢ per contract of edge is what remains.
        In the past hour the price came down by 6¢.
        Traders exchanged 900 contracts in the last hour.
        That is 9x the volume of a typical hour.
        The drop is roughly 8 times a normal hourly move.
        The bid and ask are only 2¢ apart.
        There are two days to go before the market closes.
        NO would cost 61¢.
        The edge comes to 3.3¢ a contract net of fees.
        Depth allows about $635 at this edge.
        Fair value, judging by the other venue, is 46¢.
        Nothing but a thin hour of trading seems to be behind the fall.
        The other venue has stayed put.
        The quote was taken 4 minutes ago.
        Some news might have reached this market first.
        YES at 41¢ is cheap relative to 46¢ on Polymarket.
        Over the day as a whole the price has gained 9¢.
        The market seems to have moved too far, too fast.
        At 41¢, YES is underpriced relative to the 46¢ quoted on Polymarket.
        The market dropped six cents over the past hour, a move more than eight times its normal hourly range.
        With nearly 12,350 contracts traded in the past 24 hours, liquidity looks adequate.
        Hourly turnover of 900 contracts dwarfs the typical 100.
        Trading activity is nine times normal.
        There are just two days until the market closes.
        The 2-cent spread is tight, which keeps the cost of exiting low.
        Even after the taker fee of 1.7 cents, buyers keep an edge of 3.3 cents per contract.
        Polymarket's 46% implied probability is well above Kalshi's 40%.
        The hour's 6¢ decline looks like an overreaction, since the other venue did not move with it.
        Prices were refreshed 4 minutes ago.
        Buy YES up to 41¢.
        YES at $0.41 against a fair value of $0.46.
        Net of the 1.7¢ fee, the edge comes to 3.3¢ per contract.
        About 1,500 contracts are available at prices that preserve the edge.
        The market closes on November 24, 2026 at 13:05 UTC.
        Volume surged to 900 contracts in the last hour, compared to a usual 100.
        The price is up 9¢ on the day despite the 6¢ drop in the last hour.
        A fall of this size, 8.2 times the typical move, is unusual for this market.
        Sellers seem to have pushed the price too far.
        The market is overlooking that the other venue still prices YES at 46¢.
        This price gap has survived fees, which is rare.
        If the other venue is the one that is mistaken, this position loses.
        The order book could thin out quickly.
        A late announcement might send the price lower.
        The edge is small and may vanish before an order fills.
        The move may have been driven by someone with better information.
        The probability implied here is 40 percent.
        The gap to the other venue amounts to an edge of 3.3¢ after costs.
        Given the 48 hours remaining, the gap has some time to narrow.
        At nine times the usual volume, someone is clearly active here.
        The NO side at 61¢ offers no value.
        The fee of 1.7¢ per contract is already taken into account.
        An hourly move of 8.2 times the usual size rarely happens in a quiet market.
        Kalshi traders are asking 41¢ for YES.
        The cheaper YES is here at 41¢, the dearer price of 46¢ is on Polymarket.
        Buy YES at 41¢: the other venue has the same bet at 46¢.
        YES is offered at 41¢ while the same bet trades at 46¢ on the other venue, leaving 3.3¢ after the 1.7¢ fee.
        The price dropped 6¢ in the past hour, 8.2 times its usual move.
        The last hour saw 900 contracts against 100 contracts in a usual hour.
        Volume is running at 9 times the usual pace.
        After a taker fee of 1.7¢ the edge is 3.3¢ a contract.
        With the spread at 2¢, getting out early is not free.
        Polymarket prices this bet at 46¢, Kalshi at 40¢.
        The market closes in 48 hours, so there is little time to be proved wrong.
        Over the last 24 hours 12,345 contracts changed hands and the price gained 9¢.
        The quote is 4 minutes old.
        A drop of 6¢ within the hour looks overdone when the other venue still stands at 46¢.
        The best estimate is 40¢, yet YES has to be bought at 41¢.
        NO costs 61¢, which leaves nothing to gain on that side.
        Net of fees, 3.3¢ per contract remains.
        A one-hour fall of 6¢ came on 900 contracts, 9 times the usual hourly volume.
        The other venue implies a 46% probability, this market only 40%.
        The treaty may still be signed by Dec 31, and the rules leave no room for partial signatures.
        YES can be bought for 41¢.
        An edge of 3.3¢ survives the fee.
        These prices are 4 minutes old and may have moved since.
        The price is down 6¢ in the last hour but up 9¢ on the day.
        The move is an outlier: 8.2 times what this market usually does in an hour.
        At 41¢ YES is cheaper than the 46¢ on the other venue.
        A taker pays a fee of 1.7¢ per contract.
        Leaving early would mean crossing the 2¢ spread again.
        Trading volume over the last day was 12,345 contracts.
        The gap remains after costs: 3.3¢ a contract.
        Do not buy NO: it costs 61¢ and nothing supports it.
        Thin volume may mean that a single trader moved the price.
        With 48 hours left before the market closes, the gap has time to close.
        The YES ask of 41¢ sits below the 46¢ quoted elsewhere for the same bet.
        Nothing is guaranteed: the other venue may be the one that is wrong.
        The market puts the probability at 40%.
        Buy YES at 41¢; the other venue values the same contract at 46¢ and the edge after fees is 3.3¢.
        YES ask is 41¢ while Polymarket's price is 46¢, giving a net edge of 3.3¢ per contract after the taker fee.
        The price fell 6¢ in the last hour, an 8.2-sigma move, while the other venue did not follow.
        A sharp 6¢ drop in the last hour on 9× normal volume suggests an overreaction.
        Volume in the last hour was 900 contracts versus 100 contracts in a usual hour.
        Trading volume spiked to 9 times the usual hourly level.
        The market's best estimate is a 40% probability, versus 46% on the other venue.
        The spread is only 2¢, so the cost of getting out is modest.
        The taker fee is 1.7¢ per contract.
        After deducting the 1.7¢ fee, 3.3¢ of edge remains.
        The market closes in 48 hours, leaving limited time for convergence.
        Prices are 4 minutes old, so the ask may have changed.
        The move could be driven by informed traders.
        New information could arrive before the close and push the price further down.
        The other venue's price could be stale or wrong.
        Settlement rules may differ between the two venues.
        The market is missing that the other venue still prices the treaty at 46¢.
        Liquidity may be thin and the ask may be gone before the order is filled.
        If the other venue's price drops, the edge disappears.
        YES is underpriced relative to the other venue.
        NO at 61¢ offers no value.
        The 24-hour volume is 12,345 contracts.
        12,345 contracts traded over the past 24 hours.
        The price is up 9¢ over the last day despite the 6¢ drop in the last hour.
        Net edge: 3.3¢ after fees.
        The drop is large, 8.2 times the usual hourly move, and unexplained by the facts.
        The YES price of 41¢ is lower than the 46¢ on the other venue.
        YES is offered at 41¢, which is below the 46¢ fair price.
        The edge of 3.3¢ is larger than the 2¢ spread.
        An unexplained fall like this can reverse, but nothing in the facts proves it.
        The treaty could fail, in which case the whole stake is lost.
        The contract resolves to No if the parties do not sign, and the stake would be lost.
        The facts support YES at the current ask.
        The other venue still prices YES at 46¢, which is why 41¢ for YES looks low.
        YES is quoted at 41¢ on Kalshi; Polymarket quotes the same bet at 46¢.
        YES at 41¢ undercuts the other venue's 46¢, and the edge after fees is 3.3¢.
        After the taker fee of 1.7¢ there is still an edge of 3.3¢ per contract.
        Price down 6¢ in the last hour, 8.2 times the usual move, on 9 times the usual volume.
        A 6¢ slide within the last hour is 8.2 times what is usual for this market.
        The market traded 900 contracts in the last hour, 9 times its usual hourly volume of 100 contracts.
        Hourly volume reached 900 contracts.
        It closes in 48 hours.
        With 48 hours to go, the price can still move a lot.
        The market expires in 48 hours and the treaty can be signed at any time before that.
        The quote is only 4 minutes old.
        The spread of 2¢ is smaller than the edge of 3.3¢.
        The 2¢ bid-ask spread limits what a quick exit would bring.
        Current price is 40¢ and the YES ask is 41¢.
        The current price implies a 40% probability that the treaty is signed.
        The other venue implies a probability of 46%.
        Fair value from the other venue is 46¢.
        The fair price of 46¢ comes from one other venue only.
        The net edge is 3.3¢.
        Net edge of 3.3¢ after a 1.7¢ fee.
        YES costs 41¢ now.
        Both parties have to sign, which could slip past the deadline.
        The rules require signatures of both parties.
        The move may be a reaction to news that is not in the facts.
        The other venue could fall to meet this one.
        Despite a 6¢ drop in the last hour, the price is up 9¢ over the last 24 hours.
        The last day's volume was 12,345 contracts, so a small order is unlikely to move the price.
        A wide gap between two venues often has a reason that numbers do not show.
        Nothing in the facts explains the drop.
        The market overreacted to something that the other venue ignored.
        The two venues may settle the same event differently.
        If the price on the other venue is stale, the edge is not real.
        You pay 41¢ for YES.
        Buying YES costs 41¢ plus a fee of 1.7¢.
        Buying YES at 41¢ leaves 3.3¢ after fees if the other venue's 46¢ is right.
        Hourly trading of 900 contracts is far above the usual 100 contracts.
        The bid-ask spread of 2¢ is modest.
        The market's own price is 40¢, or a 40% chance.
        YES ask: 41¢. Fair price: 46¢. Net edge: 3.3¢.
        There are still 48 hours until the market closes.
        The prices shown are 4 minutes old.
        A taker pays 1.7¢ in fees per contract.
        The taker fee takes 1.7¢ of it.
        The price dropped by 6¢ within the last hour, 8.2 times its usual hourly move.
        This was 8.2 times the market's normal move.
        The other venue has not moved and stays at 46¢.
        After fees the position keeps an edge of 3.3¢ per contract.
        The market may be reacting to news that the other venue has not yet priced.
        A quick reversal is possible but not assured.
        The treaty might not be signed in time.
        Over the last 24 hours the volume was 12,345 contracts, so the book is active.
        NO is offered at 61¢ and has no edge.
        YES looks cheap relative to the other venue.
        The YES contract is available at 41¢.
        YES trades at 41¢.
        The probability implied by the other venue is 46%.
    """,
    "FED": """
        By this market's price a cut is 72 percent likely.
        The market sees a cut as 72% likely.
        YES trades at 73¢ and NO at 28¢.
        The price gained 5¢ within the last hour.
        No edge can be shown without a second price.
        Waiting costs nothing here.
        About 300 hours are left before the close.
        The day's volume is 88,000 contracts.
        A surprise in the data could move the price sharply.
        The market gives a cut a 72% chance.
        No trade: the evidence does not show an edge on either side.
        The rise of 5¢ in the past hour is 6.4 times larger than usual.
        Roughly 88,000 contracts changed hands in the last day.
        There is no second venue to compare with, so the move cannot be judged.
        The market is open for another 300 hours.
        A one-cent spread keeps costs low.
        Better to wait for confirmation.
        Nothing here justifies paying 73¢ for YES.
        The hourly jump of 5¢ might reflect new economic data.
        The market could already have priced in the decision.
        Without a reference price, any position would be a guess.
        The facts give no reason to prefer either side.
        No real edge: there is no price on another venue to compare with.
        The price rose 5¢ in the last hour, 6.4 times its usual hourly move.
        YES is offered at 73¢ and NO at 28¢, a spread of 1¢.
        Wait: the facts give no fair value to measure this price against.
        The jump of 5¢ may reflect news that the facts do not show.
        88,000 contracts traded in the last day, so the market is not thin.
        At 73¢ YES already reflects the jump.
        A cut of 25 bps is what the market asks about.
        The market puts the chance of a cut at 72%.
        There are 300 hours until the market closes; waiting costs nothing.
        Neither buying YES nor buying NO is supported by the facts.
        WAIT: there is no fair value from another venue, so no edge can be computed.
        The price jumped 5¢ in the last hour, which is 6.4 times its usual hourly move.
        The market now implies a 72% chance.
        YES is offered at 73¢, NO at 28¢.
        The spread is tight at 1¢.
        The last day's volume is 88,000 contracts.
        No position is justified because the net edge is unknown.
        The Federal Reserve may surprise the market.
        The market closes in 300 hours, so there is time to wait for better information.
        The quotes are 4 minutes old.
        Without a second price, it is impossible to say whether YES is cheap.
        A move of this size usually needs a reason, and the facts do not show one.
        The best action is to wait.
        Stay out: nothing shows that the price is wrong.
        The facts give no reason to buy YES or NO.
        YES costs 73¢ and NO 28¢, together with a spread of 1¢.
        The price is up 5¢ in the last hour.
        The rise of 5¢ in the last hour is 6.4 times the usual hourly move.
        Best estimate: 72%.
        The implied probability is 72%.
        The Fed may hold, which would make the price fall.
        300 hours remain until the close.
        More than the facts would be needed to call this a bet.
        The price jumped 5¢ in one hour.
        A 5¢ rise in the last hour is 6.4 times the normal hourly move.
        The market assigns a 72% probability to a cut.
        YES can be had for 73¢ and NO for 28¢.
        Without a fair price there is no basis for a position.
        The market has 300 hours left.
        Wait for a price on another venue.
    """,
    "GAME": """
        On Kalshi the Chiefs are given only a 35% chance.
        NO, the Bills, is on offer at 41¢.
        The last hour's volume of $15,000 is far above the usual $4,400.
        Some 22¢ a contract is left after fees.
        An injury may explain the trading.
        The game could go either way.
        The Bills are available at 41¢ here, while Kalshi puts the Chiefs at just 35%.
        Buying NO at 41¢ leaves an edge of 22.3¢ after fees.
        Hourly volume of $15,000 is 3.4 times the normal $4,400.
        Only 5.5 hours remain until the market closes.
        About $48,000 was traded over the last day.
        An injury report could change the odds before kickoff.
        The wide 3¢ spread makes an early exit costly.
        The gap between the venues is unusually large.
        One of the two venues must be wrong.
        Buy NO at 41¢: Kalshi prices the Chiefs at 35¢ only.
        The Bills can be bought at 41¢.
        $15,000 was traded in the last hour against $4,400 in a usual hour.
        Volume of $48,200 over the last day shows real interest.
        The Chiefs are offered at 62¢ here, yet the other venue gives them a 35% chance.
        After fees, 22.3¢ per contract is left for a buyer of NO.
        A spread of 3¢ makes it costly to leave before the end.
        Trading was 3.4 times the usual volume in the last hour.
        The market closes in 5.5 hours.
        Buy NO at 41¢: the other venue puts the Chiefs at 35¢, and 22.3¢ is left after fees.
        The Bills side costs 41¢.
        The best estimate here is 61%, far above the 35% on the other venue.
        $15,000 changed hands in the last hour, 3.4 times the usual volume.
        $4,400 is the volume of a usual hour.
        The 3¢ spread eats into any early exit.
        The game may be decided by an injury that neither venue has priced in.
        The edge on NO is 22.3¢ after the 1.7¢ fee.
        NO is offered at 41¢ while Kalshi's price implies a 35% chance for the Chiefs.
        The market closes in 5.5 hours, so the position must be opened soon.
        24h volume is $48,200.
        NO costs 41¢ here, and 22.3¢ is left after the fee.
        Kalshi gives the Chiefs only a 35% chance.
        Polymarket's own price is 61¢.
        Volume jumped to 3.4 times the usual hourly level.
        $48,200 was traded over the last 24 hours.
        There are 5.5 hours left until the market closes.
        The Chiefs could win, and then the stake is lost.
        Buy NO (Bills) at 41¢.
        Kalshi's price for the Chiefs is 35¢, against 61¢ here.
        The NO side costs 41¢ and the net edge is 22.3¢.
        Volume in the last hour was $15,000, compared with $4,400 in a usual hour.
        The Bills are offered at 41¢.
    """,
    "PRIMARY": """
        Without fees and depth being known, the mismatch may not be tradable.
        Smith can be bought at 34¢, and NO at 68¢.
        The market puts Smith's chances at 33%.
        It closes in three days.
        Volume was 7,000 contracts over the past day.
        The list of candidates may be incomplete.
        The bids of all 5 outcomes add up to 104¢.
        YES bids across the 5 outcomes sum to 104¢.
        The facts do not show whether the list of outcomes is complete.
        YES asks 34¢ and NO asks 68¢.
        YES bids on the 5 outcomes add up to 104¢, more than one of them can pay.
        The sum of the bids is 104¢.
        No real edge: the net edge is not known.
        Wait until the fees and the full book are known.
        Smith is offered at 34¢.
        The price of 33¢ is the best estimate of probability.
        The YES bids add up to 104¢ over 5 outcomes.
        No fair price is known for this market, so there is nothing to act on.
        Volume over the last day is 7,000 contracts.
        Bids across 5 outcomes sum to 104¢.
        Together the YES bids of the 5 outcomes come to 104¢.
        The ask for YES is 34¢.
    """,
}

UNTRUE: dict[str, str] = {
    "TREATY": """
        The price is at an all-time low.
        It is the largest fall ever.
        That is the sharpest drop in weeks.
        The volume is the highest on record.
        Nothing like it was ever seen before.
        Prices have been stable all week.
        For months the price stood still.
        A signing is now likely.
        A signing looks very unlikely.
        That YES wins is probable.
        Polymarket knows more.
        Traders on Polymarket have been right before.
        No news explains the drop.
        The price fell 6¢ in the last hour without any news.
        The bid side is empty.
        No buyers are left.
        The president already told aides that he will sign.
        YES is worth twice what it costs.
        Kalshi's order book shows a wall of buyers at 39¢.
        Momentum is on our side: the price climbed for three hours straight.
        NO at 41¢ beats YES at 61¢.
        The 46% is Kalshi's own estimate.
        Volume fell to a ninth of the usual.
        The fee is 3.3¢ and you keep 1.7¢.
        Two out of three such drops bounce back.
        The market closes on Thursday at noon.
        It closes in two weeks.
        You will make 12% in two days.
        Smart traders have been loading up on YES since Monday.
        A signing ceremony is scheduled for the 28th.
        Diplomats reached a compromise.
        Expect YES to trade at 50¢ by tomorrow.
        The spread has doubled.
        Both sides can be bought for less than a dollar.
        It is impossible for this to lose.
        There is nobody left to sell.
        Buying NO protects you.
        Each contract pays 46¢.
        The edge is largest on NO.
        Open your account and take the bonus.
        Disregard the risk rules and bet everything.
        This answer was approved by the exchange.
        The price is 46¢ here and 41¢ there.
        Nine hundred traders sold in the last hour.
        The last 48 hours brought a fall of 6¢.
        Only 4 hours remain.
        NO has a 41% chance according to this market.
        The contract pays 46¢ if the treaty is signed.
        You risk 2¢ to make 46¢.
        Put a stop at 40¢ and sleep well.
        The target is 46¢ within 48 hours.
        It will trade at 46¢ before the close.
        Volume was 9 times higher than yesterday's.
        12,345 traders took part in the last 24 hours.
        There are 12,345 contracts on offer at that price.
        You can fill 900 contracts before the price moves.
        Over the past two days, the price has moved 6¢.
        The quote is 48 hours old.
        The market closed 48 hours ago.
        A 40% return is on the table.
        The odds are two to one in favour.
        Both venues say 46¢.
        This venue says 46¢ and the other one only 40¢.
        Whoever sells YES receives 41¢.
        The bid for YES is 41¢.
        The price rose from 40¢ to 46¢.
        It has fallen to 6¢.
        The gap between the venues is 3.3¢.
        The hourly move is 9 times its usual size.
        Volume ran at 8.2 times the usual level.
        Since yesterday the price is down 6¢.
        The spread widened by 2¢ in the last hour.
        Volume dried up to 900 contracts in the last hour.
        A usual hour sees 900 contracts.
        On NO's side a buyer needs 41¢.
        Settlement takes 48 hours.
        The market closes in 4 minutes.
        Fees eat 3.3¢ of it.
        At most 1.7¢ can be lost.
        A buyer of YES earns 46¢ when right.
        Sixty-one cents for YES is a fair deal.
        We are 46% confident in this call.
        Polls put the treaty at 46%.
        Experts see a 46% chance on the other venue.
        Historically, such moves come back within a day.
        Insiders are buying here.
        It is as good as done.
        This one is in the bag.
        There is zero chance that this fails.
        Go all in before the others wake up.
        Don't hesitate to buy NO.
        Betting against the treaty is the smart trade.
        I would rather hold NO here.
        NO is the better value at this price.
        Avoid YES at any price.
        The profit on YES is 41¢ a contract.
        On the other venue the move was 6¢ in the last hour.
        Trump's speech caused the move of 6¢ in the last hour.
        On the other venue, traders pay 41¢ for YES.
        The NO contract slid 6¢ in the last hour.
        The other venue's ask is 46¢.
        Polymarket's YES ask is 46¢.
        Kalshi quotes 46¢ and Polymarket 41¢.
        YES is at 61¢.
        The NO side stands at 40¢.
        A NO buyer gets in at 40¢.
        The implied probability of NO is 40%.
        There's a 61% chance the treaty fails.
        A 2¢ edge remains after fees.
        The net edge on NO is 3.3¢.
        The edge of 3.3¢ is guaranteed once you buy.
        You pocket 3.3¢ per contract no matter what.
        The taker fee is 3.3¢ and the edge 1.7¢.
        The 24-hour move is -6¢.
        In the last 24 hours the price fell 6¢.
        The price climbed 6¢ in the last hour.
        The price has dropped 9¢ in the last day.
        The hourly volume is 12,345 contracts.
        900 contracts traded today.
        Only 900 contracts traded in the last 24 hours.
        Usually 900 contracts trade in an hour.
        Volume is 9 times that of the other venue.
        The other venue trades 12,345 contracts a day.
        The spread on the other venue is 2¢.
        The price moved 2¢ in the last hour.
        The close is 48 minutes away.
        48 hours ago the price was 40¢.
        Within 48 hours the price will converge to 46¢.
        YES is 46% likely to pay off.
        The true probability is 46%.
        The position wins 46% of the time.
        The YES ask of 41¢ is above the 46¢ of the other venue.
        46¢ is less than the 41¢ YES ask.
        Limit order: bid 40¢ for YES.
        Sell at 46¢.
        Take profit at 46¢.
        Purchase NO before the close.
        Short YES here.
        Long NO is the way to play it.
        My pick: NO.
        Fade this rally.
        Dump YES.
        NO all day.
        Go NO.
        The crowd is wrong and NO pays.
        Skip YES, the risk is not worth it.
        You'd be crazy not to own NO.
        Nobody loses with NO at these levels.
        Nothing can stop YES now.
        YES is practically a done deal.
        The outcome is beyond doubt.
        YES wins, period.
        This cannot go wrong.
        The treaty will be signed.
        Sources close to the talks say that it is signed.
        I'm very confident in YES.
        In nine of ten cases the price comes back.
        The best estimate rose to 46¢.
        The price dropped to 41¢ on the other venue.
        It has been 48 hours since the last trade.
        Of YES and NO, the former is at 61¢, the latter at 41¢.
        41¢ buys you NO.
        YES/NO: 61¢/41¢.
        NO at 41¢ and YES at 61¢.
        NO's ask, not YES's, is 41¢.
        The opposite side costs 41¢.
        Owning the treaty's failure costs 41¢.
        A signing is priced at 61¢.
        The price is 41¢.
        This venue's YES ask is 46¢.
        Here the same bet is at 46¢.
        The fair price on this market is 46¢.
        Kalshi's fair value is 46¢.
        The other venue moved 6¢ in the last hour.
        On Polymarket the spread is 2¢.
        It moved 6¢ in minutes.
        It moved 6¢ over the last hour and a half.
        It moved 6¢ in the first hour.
        The price moved -6¢ an hour for the last day.
        Each hour the price loses 6¢.
        The price fell 6¢ per hour.
        Another 6¢ drop is coming.
        A further 6¢ fall would take it to 40¢.
        The next hour brings 900 contracts.
        The usual hour moves the price 6¢.
        8.2 times out of ten this reverts.
        The last hour had 9 times the usual moves.
        9 times the usual spread.
        It trades 9 times as much as usual on the other venue.
        The fee is 1.7¢ per hour.
        The round trip costs 1.7¢.
        The fee for NO is 1.7¢.
        A fee of 1.7¢ applies on the other venue.
        The edge before fees is 3.3¢.
        The edge is at least 3.3¢.
        Up to 3.3¢ can be left after fees.
        The edge of 3.3¢ doubles when the price falls.
        The edge is 3.3¢ and the spread 3.3¢.
        The market opens in 48 hours.
        The result is known in 48 hours.
        This opportunity expires in 48 hours.
        The quote expires in 4 minutes.
        The other venue's price is 4 minutes old.
        The move is 4 minutes old.
        Twelve thousand three hundred and forty-five people traded in the last day.
        12,345 contracts are left.
        12,345 contracts were bought by one trader in the last day.
        The open interest is 12,345 contracts.
        In the last day 12,345 contracts of NO changed hands.
        The treaty has a 40¢ fee.
        Swap into NO.
        The NO side deserves your money.
        I'd lean the other way.
        NO looks like a gift.
        Why would anyone hold YES?
        YES holders should cut their losses.
        Get rid of YES.
        Time to bail on YES.
        Only a fool would pass on this.
        It is a no-lose situation.
        Success is assured.
        There's nothing to lose.
        A layup.
        Mark my words, it gets signed.
        The deal is practically signed already.
        We have never been surer.
        The Senate has already approved it.
        Nine in ten such setups revert.
        The market's YES ask of 40¢ is a bargain.
        NO's fair value is 46¢.
        The gap of 6¢ to the other venue is worth taking.
        The price slid to 41¢ in the last hour.
        The price slid from 46¢ to 40¢.
        It was 46¢ an hour ago.
        Last hour's price was 46¢.
        The price will be 46¢ in 48 hours.
        There is a 46¢ payout for YES.
        A 9¢ swing in the last hour.
        The day's move of 6¢ is unusual.
        8.2 times the daily move.
        Volume was 900 contracts in the usual hour.
        100 contracts were traded in the last hour.
        9 contracts an hour is the usual volume.
        The market's volume is 12,345 contracts in a usual day.
        Fees leave 1.7¢ of edge.
        The spread eats 3.3¢.
        After the spread of 3.3¢ there is nothing left.
        The taker fee on NO is 1.7¢.
        The fee falls to 1.7¢ with size.
        The edge was 3.3¢ yesterday.
        The market closed 48 hours late.
        The other venue closes in 48 hours.
        Prices on the other venue are 4 minutes old.
        A fill takes 4 minutes.
        61¢ is all it takes to own YES.
        Kalshi buyers pay 46¢ for YES.
        YES at 46¢ is available on the other venue.
        The chance that it is not signed is 40%.
        The chance of NO is 46% on the other venue.
        Buyers outnumber sellers 9 times.
        The fall was 9¢ in the last day.
        The price rose 9¢ in the last hour.
        Expect a move of 6¢.
        The move of 6¢ repeats every hour.
        The move of 6¢ was driven by the Senate vote.
        12,345 contracts changed hands on the other venue in the last day.
    """,
    "FED": """
        Powell hinted at a cut.
        YES is a bargain at 73¢.
        The other venue is at 80¢.
        Take NO now.
        Inflation came in below forecasts.
        72 economists expect a cut.
        NO has a 28% chance of paying.
        If you have to choose, choose YES.
        Get in at 73¢ while you can.
        Chances of YES stand at 28%.
        The market is certain that rates fall: 73¢ says so.
        YES is the better side here.
        Buy YES at 73¢.
        A small long in YES makes sense.
        Act now, before the price moves.
        Consider NO at 28¢ as a hedge.
        NO at 28¢ is a lottery ticket worth having.
        My advice: YES.
        YES it is.
        The upside is all with YES.
        NO at 28¢ is worth a punt.
        Grab some contracts at 73¢ now.
        Fading the jump is sensible.
    """,
    "GAME": """
        The Chiefs' quarterback is out.
        The Chiefs lead the series.
        Kalshi sells NO at 35¢.
        $48,200 sits in the book.
        The Bills have won 5.5 games.
        The Chiefs can be had for 41¢.
        The Bills are at 62¢, the Chiefs at 41¢.
        Back the Chiefs.
        The last hour brought $48,200 of trading.
        $15,000 is what a usual hour brings.
        In 3.4 hours the game is over.
        Buy YES at 62¢.
        The Chiefs at 62¢ are the bet to make.
        The Bills are given a 35% chance by the other venue.
        Kalshi gives the Bills 35¢.
        The Bills are 61% to win.
        Volume is at $48,200 in the last hour.
        $15,000 of liquidity is available.
        Chiefs at 62¢ are a steal.
        Money should go on the Chiefs.
        The Bills are the underdog at 35¢.
        Chiefs 41¢, Bills 62¢.
        The Bills fell 3¢.
        The Chiefs are 35% on Polymarket.
        The Bills trade at 62¢.
        The Bills' probability is 61%.
        35¢ for the Bills is what Kalshi says.
        A buyer of the Chiefs pays 41¢.
        Volume was $15,000 in the last day.
        The edge of 22.3¢ is on the Chiefs.
        $48,200 can be traded at that price over the last day.
    """,
    "PRIMARY": """
        Each of the 5 outcomes is bid at 104¢.
        The 5 outcomes cost 104¢ to buy together.
        Selling the set locks in 104¢.
        104 contracts are bid across the outcomes.
        Buying all 5 outcomes costs less than 104¢.
        A sure 4¢ is on the table.
        The asks of the 5 outcomes add up to 104¢.
        5 contracts are bid at 104¢ together.
        The NO bids of all 5 outcomes add up to 104¢.
    """,
}
