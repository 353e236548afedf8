"""Text metrics of two codebases, without their packages: LLaMA-Factory's on call strings, API-Bank's own on replies.

LLaMA-Factory (`--do_predict`, most likely the numbers of the CoALM paper's Table 3): words by jieba, Rouge by
`rouge_chinese` 1.0.3, BLEU-4 by NLTK's `sentence_bleu` with smoothing method 3, over characters. API-Bank
(`evaluator.py`): Rouge-L by `rouge` 1.0.1, another Rouge-L: sentences end at every `.`, and words count once.
"""

import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

RUN = re.compile(r"([a-zA-Z0-9+#&._%-]+)")
WORD = re.compile(r"([a-zA-Z0-9]+(?:\.\d+)?%?)")


def words(text: str) -> list[str]:
    """The tokens jieba would cut; every character outside ASCII stands alone, where jieba would join Chinese ones."""
    found: list[str] = []
    for place, piece in enumerate(RUN.split(text)):
        if place % 2 == 0:
            found += (character for character in piece if not character.isspace())
        elif len(piece) == 1:
            found.append(piece)
        else:
            found += filter(None, WORD.split(piece))
    return found


def call_scores(prediction: str, gold: str) -> dict[str, float]:
    """`rouge-1`, `rouge-2`, `rouge-l` and `bleu-4` of one answer as LLaMA-Factory logs them: 0 to 100, 4 digits."""
    said, wanted = words(prediction), words(gold)
    scores = {"rouge-1": 0.0, "rouge-2": 0.0, "rouge-l": 0.0}
    if said and wanted:
        scores["rouge-1"] = _overlap(said, wanted, 1)
        scores["rouge-2"] = _overlap(said, wanted, 2)
        scores["rouge-l"] = _f(len(lcs(said, wanted)), len(said), len(wanted))
    scores["bleu-4"] = bleu4(prediction, gold)
    return {name: round(100 * value, 4) for name, value in scores.items()}


def reply_rouge_l(prediction: str, gold: str) -> float:
    """API-Bank's Rouge-L of a reply, 0 to 1; the original refuses texts without a word, which are 0 here."""
    said, wanted = _sentences(prediction), _sentences(gold)
    all_said, all_wanted = ({word for sentence in text for word in sentence} for text in (said, wanted))
    shared = {word for sentence in wanted for other in said for word in lcs(sentence, other)}
    return _f(len(shared), len(all_said), len(all_wanted))


def _sentences(text: str) -> list[list[str]]:
    # An empty sentence counts as one empty word in the original, so "pi is 3. 14 " and "pi is 3." differ.
    return [" ".join(piece.split()).split(" ") for piece in text.split(".") if piece]


def _f(shared: int, said: int, wanted: int) -> float:
    if not said or not wanted:
        return 0.0
    precision, recall = shared / said, shared / wanted
    return 2 * precision * recall / (precision + recall + 1e-8)


def _overlap(said: Sequence[str], wanted: Sequence[str], size: int) -> float:
    """F1 of the sets (not the counts) of n-grams."""
    ours, theirs = set(_grams(said, size)), set(_grams(wanted, size))
    return _f(len(ours & theirs), len(ours), len(theirs))


def _grams(items: Sequence[str], size: int) -> Iterable[Hashable]:
    return zip(*(items[start:] for start in range(size)), strict=False)


def lcs(left: Sequence[str], right: Sequence[str]) -> list[str]:
    """One longest common subsequence, walked back from the end; on a tie it drops the last item of `right`."""
    lengths = [[0] * (len(right) + 1)]
    for item in left:
        above, row = lengths[-1], [0]
        for column, other in enumerate(right):
            row.append(above[column] + 1 if item == other else max(above[column + 1], row[column]))
        lengths.append(row)
    i, j, found = len(left), len(right), []
    while i and j:
        if left[i - 1] == right[j - 1]:
            found.append(left[i - 1])
            i, j = i - 1, j - 1
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return found[::-1]


def bleu4(prediction: str, gold: str) -> float:
    """BLEU-4 over characters, 0 to 1: uniform weights, each missing order counting as 1/2, 1/4, ... of a match."""
    if not prediction:
        return 0.0
    logs, missing = 0.0, 0
    for size in range(1, 5):
        ours, theirs = Counter(_grams(prediction, size)), Counter(_grams(gold, size))
        hits: float = sum((ours & theirs).values())
        if not hits and size == 1:
            return 0.0
        if not hits:
            missing += 1
            hits = 0.5**missing
        logs += math.log(hits / max(1, ours.total())) / 4
    brevity = min(0.0, 1 - len(gold) / len(prediction))
    return math.exp(logs + brevity)
