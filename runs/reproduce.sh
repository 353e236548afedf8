#!/usr/bin/env bash
# Raw SNIPS and SGD files to a report: ten calm verbs, sized by one dial.
#
#     CALM_DATA=/where/the/corpora/lie runs/reproduce.sh [DIAL] [OUT]
#
# DIAL is the number of SGD dialogues; everything else follows from it. 6 takes 4 minutes on 2 cores, 2000 is more than a
# night. Every stage finds its finished output and goes on where it was stopped.
set -euo pipefail
dial=${1:-20}
out=${2:-out/reproduce-$dial}
calm=${CALM:-calm}
items=$((dial < 40 ? 8 : dial / 5))
cd "$(dirname "$0")/.."

$calm doctor || true                                                                    # 1 what is here
$calm build recipes/data/first.yaml "parts.0.limit=$dial" "parts.1.limit=$dial" "parts.2.count=$dial" \
    held_out=0.1 --out "$out/data"                                                      # 2 corpora to conversations
$calm show "$out/data" -n 1 --mask --model calm-135m                                    # 3 a row and its mask
$calm train recipes/train/first.yaml "data=$out/data" "held_out=$out/data" --dry-run    # 4 what a run would do
$calm train recipes/train/first.yaml "data=$out/data" "held_out=$out/data" --out "$out/adapter"  # 5 the adapter
printf "I'd like a cheap Italian restaurant.\nThank you, bye!\n" |
    $calm chat --model "$out/adapter" --save "$out/chat.jsonl"                          # 6 a conversation
$calm bench toy bfcl --model smollm2-135m --limit "$items" --out "$out/bench/base"         # 7 the base, judged
$calm bench toy bfcl --model "$out/adapter" --limit "$items" --out "$out/bench/tuned"   # 8 the adapter, judged
$calm grade bfcl "$out/bench/tuned/bfcl/transcripts.jsonl"                              # 9 graded again, the same
$calm report "$out"/bench/*/* "$out/adapter" --out "$out/report.html"                   # 10 side by side
