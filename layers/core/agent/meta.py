"""What is no analysis: a refusal, talk of the model or its orders, what a text from outside asked for, markup,
noise."""

from __future__ import annotations

import re
import unicodedata

from core.agent.phrases import any_of
from core.agent.quoting import is_quoted

_MACHINE = any_of(r"""
    as an? (?:ai|assistant|model), (?:ai|language) (?:language )?model, chatbot, chatgpt, openai, i, i'm, i've, i'll,
    my,
    sorry, apolog(?:y|ies|ise|ize)\w*, (?:can|can't|cannot|could|unable to) (?:not )?(?:assist|help|comply), assist\w*,
    refuse to, inappropriate, decline to, no comment, unable to answer, consult a,
    (?:system|the|this|my|your) prompt, instruct\w*, jailbreak\w*, content policy,
    ignore (?:all|any|the|previous|prior|everything|every|your|what), disregard\w*, override\w*, overrid(?:den|ing),
    (?:developer|debug|admin|god) mode, new (?:task|role|rules|orders?), comply\w*, obey\w*, pwned, hacked, hijack\w*,
    (?:tells|told|asks|asked|instructs|orders) (?:me|us|you|to),
    as (?:requested|instructed|ordered|told|commanded), per (?:the )?(?:request|instructions?|orders?)
""")
_ERRANDS = any_of(r"""
    wallets?, seed phrase, private keys?, passwords?, passcodes?, log ?in to, api key, credit card, bank account,
    airdrops?, promo codes?, referral, coupon, click, download, subscribe\w*, sign up, donate\w*, tip jar,
    visit (?:us|our|my|the|this), deposit (?:your|funds|money|now|at|with), follow (?:me|us),
    join (?:us|our|my|the (?:group|channel)), (?:e-?mail|contact|call|text|dm|message) (?:me|us|now|our),
    (?:send|transfer|wire) (?:me|us|your|all|money|funds|crypto|eth|btc|bitcoin|usdc?|sol|it to)
""")
_ADDRESS = re.compile(
    r"https?:|www\.|\]\(|\b[\w-]+\.(?:com|io|org|net|xyz|gg|ai|co|app|finance|bet|ru|info|tk|me|trade|win|click|site)\b"
    r"|\w@\w|\b0x[0-9a-f]{6,}|\b[13][1-9A-HJ-NP-Za-km-z]{25,}\b",
    re.I,
)
_MARKUP = re.compile(r"</?[a-z!]|[{}`\\|~^]|\*\*|__|^#|\n#|&[a-z]+;|&#|\$\{|%[0-9a-f]{2}%|\w\(['\"\w/]*\)", re.I)
_SHOUTING = re.compile(r"!{2,}|\?{2,}|!\?|(?<![\w-])(?:[A-Z]{3,}(?:\W+(?=[A-Z]{2,}\b))){2,}[A-Z]{2,}")


def meta_faults(text: str, title: str) -> list[str]:
    """A word that the title holds may be quoted with words around it; an order may not, whoever gave it."""
    found = [f"no analysis: {m[0]}" for m in _ERRANDS.finditer(text)]
    found += [f"no analysis: {m[0]}" for m in _MACHINE.finditer(text) if " " in m[0] or not is_quoted(m, title)]
    for pattern, what in ((_ADDRESS, "a link"), (_MARKUP, "markup"), (_SHOUTING, "shouting")):
        found += [what for match in pattern.finditer(text) if match[0] not in title][:1]
    return found


def odd_characters(text: str, title: str) -> list[str]:
    """Numbers and letters in other scripts (½, ⑤, ４, Cyrillic а) and what is invisible: no reader can trace them."""
    found = []
    for char in dict.fromkeys(text):
        if char in title or char in "\n\t":
            continue
        kind = unicodedata.category(char)
        if not char.isascii() and unicodedata.numeric(char, None) is not None:
            found.append(f"ungrounded number {char}")
        elif kind in ("Cc", "Cf", "Co", "Cn", "Cs", "Mn", "Me"):
            found.append(f"hidden character U+{ord(char):04X}")
        elif kind == "So":
            found.append(f"a picture: {char}")
        elif char.isalpha() and not unicodedata.name(char, "").startswith(("LATIN", "GREEK SMALL LETTER SIGMA")):
            found.append(f"a letter of another script: {char}")
    return found
