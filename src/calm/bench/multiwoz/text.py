"""Measures of the words alone: BLEU against the human replies, and how rich a system's language is.

BLEU is that of sacrebleu 2 (`corpus_bleu`: tokeniser 13a, exponential smoothing, cased), one reference a reply.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, pairwise

ORDER = 4
ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
SIGNS = str.maketrans({sign: f" {sign} " for sign in '!"#$%&()*+/:;<=>?@[\\]^_`{|}~'})
RULES = (
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
"""The language-independent rules of NIST's mteval-v13a."""
UNSPOKEN = str.maketrans("", "", "',.?!)(%/_:;-")
SPACE = re.compile(r"\s+")
SEGMENT = 50


def _grams(text: str) -> tuple[int, Counter[tuple[str, ...]]]:
    """How many words a text has, and how often each run of one to four of them comes."""
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, sign in ENTITIES.items():
        text = text.replace(entity, sign) if "&" in text else text
    text = f" {text.translate(SIGNS)} "
    for rule, by in RULES:
        text = rule.sub(by, text)
    found = text.split()
    runs = (zip(*(found[start:] for start in range(n)), strict=False) for n in range(1, ORDER + 1))
    return len(found), Counter(chain.from_iterable(runs))


def bleu(pairs: Iterable[tuple[str, str]]) -> float:
    """Corpus BLEU of (said, human) pairs, 0 to 100."""
    right, said, lengths = [0] * ORDER, [0] * ORDER, [0, 0]
    for mine, theirs in pairs:
        (length, grams), (due_length, due) = _grams(mine), _grams(theirs)
        for gram in grams.keys() & due.keys():
            right[len(gram) - 1] += min(grams[gram], due[gram])
        for n in range(ORDER):
            said[n] += max(0, length - n)
        lengths = [lengths[0] + length, lengths[1] + due_length]
    if not any(right) or not all(said):
        return 0.0
    halved, logs = 1, 0.0
    for hits, total in zip(right, said, strict=True):
        halved *= 1 if hits else 2
        logs += math.log(hits / total if hits else 1 / (halved * total))
    return 100 * math.exp(min(0.0, 1 - lengths[1] / lengths[0]) + logs / ORDER)


def richness(replies: Sequence[str]) -> dict[str, float]:
    """Mean length, entropies in bits, how many different words, pairs and triples, and variety in runs of 50 words.

    `cond_entropy` is the published one: pairs are weighed by their share of all *words*, so it is a little below the
    entropy of a word given the one before it.
    """
    said = [words(reply) for reply in replies]
    ones = Counter(word for reply in said for word in reply)
    twos = Counter(pair for reply in said for pair in pairwise(reply))
    threes = {triple for reply in said for triple in zip(reply, reply[1:], reply[2:], strict=False)}
    total = sum(ones.values())
    return {
        "avg_lengths": total / len(said) if said else 0.0,
        "entropy": _entropy((count, total, total) for count in ones.values()),
        "cond_entropy": _entropy((count, ones[pair[0]], total) for pair, count in twos.items()),
        "msttr": _variety([word for reply in said for word in reply]),
        "num_unigrams": len(ones),
        "num_bigrams": len(twos),
        "num_trigrams": len(threes),
    }


def words(reply: str) -> list[str]:
    """Words for `richness`: lower case, punctuation cut out where it stands, so `and/or` is one word and `-` is `""`.

    As in the package lexical_diversity 0.1.1 (MIT), whose `tokenize` the original calls.
    """
    spoken = reply.replace("``", "").translate(UNSPOKEN).replace("SYM", "")
    return SPACE.sub(" ", spoken).lower().split(" ")


def _entropy(parts: Iterable[tuple[int, int, int]]) -> float:
    return -sum(count / total * math.log2(count / given) for count, given, total in parts)


def _variety(said: Sequence[str]) -> float:
    if len(said) <= SEGMENT:
        return len(set(said)) / len(said) if said else 0.0
    runs = [said[start : start + SEGMENT] for start in range(0, len(said) - SEGMENT + 1, SEGMENT)]
    return sum(len(set(run)) / SEGMENT for run in runs) / len(runs)
