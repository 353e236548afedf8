"""Inference speed here: our engines beside transformers and llama.cpp, the same prompts, an adapter loaded, in turns.

    python benchmarks/engine.py [--quick] [--json] [--llamacpp-python PYTHON]

Each engine lives in a process of its own; a round asks every one of them in turn for a 1,500-token prompt and greedy
tokens after it, and for a conversation of ten turns that grows to 3,000 tokens. Medians of the rounds; on a machine
with other work only the ratios mean something. llama.cpp takes part when `--llamacpp-python` names an interpreter that
has `xllamacpp`; it gets the merged model as GGUF in bfloat16.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

PROMPT, TURNS, GIVEN, NEW, MANY = 1500, 10, 120, 30, 32
"""Tokens of the prompt; turns, tokens given and written in each; dialogues decoded together."""

OURS = {"calm": ("auto", "int8"), "calm f16": ("openvino", "f16"), "calm torch": ("torch", "f16")}


class Answer(NamedTuple):
    """Seconds to the first token, seconds of the rest, the tokens."""

    first: float
    rest: float
    ids: list[int]


Run = Callable[[list[int], int, bool], Answer]
"""A prompt's ids, how many tokens to write, and whether caches are forgotten first."""


def ours(base: str, adapter: str, engine: str, precision: str) -> tuple[str, Run, Callable[[], float] | None]:
    """One of our engines: its kind, a run, and tokens a second over many dialogues together if it can do that."""
    from calm.hub.models import Found
    from calm.policy.local import engine as engines
    from calm.policy.local.turn import shared

    made: Any = engines.load(Found("", Path(base), Path(adapter)), engine, precision)  # ty: ignore[invalid-argument-type]

    def run(ids: list[int], new: int, fresh: bool) -> Answer:
        began = time.perf_counter()
        made.rewind(0 if fresh else shared(made.ids, ids))
        written = [int(made.forward(ids[len(made.ids) :]).argmax())]
        middle = time.perf_counter()
        while len(written) < new:
            written.append(int(made.forward(written[-1:]).argmax()))
        return Answer(middle - began, time.perf_counter() - middle, written)

    def many() -> float:
        sequences = [made.fork() for _ in range(MANY)]
        for i, sequence in enumerate(sequences):
            sequence.rewind(400 + i)
        tokens = [1] * MANY
        made.forward_many(list(zip(sequences, [[t] for t in tokens], strict=True)))
        began = time.perf_counter()
        for _ in range(NEW // 2):
            rows = made.forward_many([(s, [t]) for s, t in zip(sequences, tokens, strict=True)])
            tokens = [int(row.argmax()) for row in rows]
        return MANY * (NEW // 2) / (time.perf_counter() - began)

    batched = made.kind.startswith("openvino")
    return made.kind + (f" ({made.rung})" if made.rung else ""), run, many if batched else None


def transformers(base: str, adapter: str) -> tuple[str, Run, None]:
    """Transformers in bfloat16 with PEFT's merged adapter and a kept cache, cut back as its API allows."""
    import warnings

    import torch

    warnings.simplefilter("ignore")
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, DynamicCache

    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
    model: Any = PeftModel.from_pretrained(plain, adapter).merge_and_unload()
    held: list[Any] = [DynamicCache(), []]

    @torch.inference_mode()
    def step(ids: list[int]) -> int:
        out = model(torch.tensor([ids]), past_key_values=held[0], use_cache=True, logits_to_keep=1)
        held[1] = held[1] + ids
        return int(out.logits[0, -1].argmax())

    def run(ids: list[int], new: int, fresh: bool) -> Answer:
        began = time.perf_counter()
        if fresh or ids[: len(held[1])] != held[1]:
            held[:] = [DynamicCache(), []]
        written = [step(ids[len(held[1]) :])]
        middle = time.perf_counter()
        while len(written) < new:
            written.append(step(written[-1:]))
        return Answer(middle - began, time.perf_counter() - middle, written)

    return "transformers bfloat16", run, None


def llamacpp(file: str) -> tuple[str, Run, None]:
    """llama.cpp's server in this process; times are its own."""
    import xllamacpp  # ty: ignore[import-not-found]  # in an environment of its own

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel, params.cpuparams.n_threads = file, 4096, 1, 2
    server = xllamacpp.Server(params)

    def run(ids: list[int], new: int, fresh: bool) -> Answer:
        asked = {"prompt": ids, "n_predict": new, "temperature": 0, "cache_prompt": not fresh, "ignore_eos": True}
        said = server.handle_completions({**asked, "verbose": True})
        said = json.loads(said) if isinstance(said, str) else said
        took = said["timings"]
        return Answer(took["prompt_ms"] / 1e3, took["predicted_ms"] / 1e3, said["__verbose"]["tokens"])

    return "llama.cpp bf16", run, None


def child(side: str, arguments: Sequence[str]) -> None:
    """Load one engine, then answer jobs, one JSON object a line."""
    import resource

    began = time.perf_counter()
    made = {"transformers": transformers, "llama.cpp": llamacpp}.get(side, ours)(*arguments)
    kind, run, many = made
    print("@" + json.dumps({"kind": kind, "load_s": time.perf_counter() - began}), flush=True)
    for line in sys.stdin:
        job = json.loads(line)
        answer = many() if job == "many" and many else run(*job) if isinstance(job, list) else None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print("@" + json.dumps([answer, peak]), flush=True)


class Side:
    """An engine in its own process."""

    def __init__(self, name: str, python: str, *arguments: str) -> None:
        command = [python, __file__, "--child", name, *arguments]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.about = self._heard()
        self.peak, self.rows = 0.0, list[dict[str, float]]()

    def _heard(self) -> Any:
        for line in self._process.stdout or ():
            if line.startswith("@"):
                return json.loads(line[1:])
        raise SystemExit(f"{self._process.args}: ended without an answer")

    def ask(self, job: Any) -> Any:
        """The answer to one job."""
        assert self._process.stdin
        print(json.dumps(job), file=self._process.stdin, flush=True)
        answer, self.peak = self._heard()
        return Answer(*answer) if isinstance(answer, list) else answer

    def round(self, ids: list[int], quick: bool) -> None:
        """One round of everything; a quick one begins the conversation with its ninth turn."""
        decoded = 24 if quick else 100
        alone = self.ask([ids[:PROMPT], decoded, True])
        row = {"prefill_tps": PROMPT / alone.first, "decode_tps": (decoded - 1) / alone.rest}
        done = TURNS - 2 if quick else 0
        said, more = ids[: PROMPT + done * (GIVEN + NEW)], iter(ids[-TURNS * GIVEN :])
        for _ in range(done, TURNS):
            answer = self.ask([said, NEW, False])
            row["ttft_turn10_s"] = answer.first
            said = said + answer.ids + list(itertools.islice(more, GIVEN))
        if many := self.ask("many"):
            row["batch32_tps"] = many
        self.rows.append(row)

    def summary(self) -> dict[str, Any]:
        """Medians of the rounds."""
        medians = {key: statistics.median(row[key] for row in self.rows) for key in self.rows[0]}
        return {**medians, "load_s": self.about["load_s"], "peak_rss_mb": self.peak, "kind": self.about["kind"]}

    def end(self) -> None:
        """Stop the process."""
        self._process.kill()
        self._process.wait()


def fresh_adapter(base: Path, out: Path) -> Path:
    """A LoRA adapter as training leaves it, of rank 16 on every linear layer, with small random numbers."""
    import numpy as np
    from safetensors.numpy import save_file

    from calm.policy.local.weights import tensors

    generator, lora = np.random.default_rng(0), {}
    for name, place in tensors(base).items():
        if name.endswith("_proj.weight"):
            stem = "base_model.model." + name.removesuffix("weight")
            rows, columns = place.shape
            for side, shape in (("A", (16, columns)), ("B", (rows, 16))):
                lora[f"{stem}lora_{side}.weight"] = generator.normal(0, 0.01, shape).astype(np.float32)
    out.mkdir()
    save_file(lora, out / "adapter_model.safetensors")
    modules = sorted({name.split(".")[-3] for name in lora})
    settings = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 16, "lora_alpha": 32, "target_modules": modules}
    (out / "adapter_config.json").write_text(json.dumps({**settings, "base_model_name_or_path": str(base)}))
    return out


def sides(asked: argparse.Namespace, work: Path) -> dict[str, Side]:
    """All engines, loaded one after another."""
    from calm.hub import models

    found = models.find(asked.model)
    adapter = found.adapter or fresh_adapter(found.base, work / "adapter")
    both = str(found.base), str(adapter)
    made = {name: Side(name, sys.executable, *both, *how) for name, how in OURS.items()}
    made["transformers"] = Side("transformers", sys.executable, *both)
    if asked.llamacpp_python:
        from calm.train.gguf import gguf

        gguf(models.Found("bench", found.base, adapter), work / "model.gguf")
        made["llama.cpp"] = Side("llama.cpp", asked.llamacpp_python, str(work / "model.gguf"))
    return made


def main() -> None:
    """Measure in turns and print."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("--model", default="calm-135m", help="a base or an adapter folder; a base gets a random adapter")
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--quick", action="store_true", help="one round")
    flags.add_argument("--llamacpp-python", help="an interpreter with xllamacpp")
    flags.add_argument("--json", action="store_true")
    asked = flags.parse_args()

    from calm.data.sources.town import read_town
    from calm.format.tokens import Codec
    from calm.hub import models

    codec = Codec.load(models.find(asked.model).tokenizer)
    ids = [i for c in read_town(40) for i in codec.row(c).ids][: PROMPT + TURNS * (GIVEN + NEW)]
    with tempfile.TemporaryDirectory() as work:
        engines = sides(asked, Path(work))
        try:
            for side in engines.values():
                side.ask([ids[:PROMPT], 4, True])
            for _ in range(1 if asked.quick else asked.rounds):
                for side in engines.values():
                    side.round(ids, asked.quick)
            result = {name: side.summary() for name, side in engines.items()}
        finally:
            for side in engines.values():
                side.end()
    show(result)
    if asked.json:
        print(json.dumps(result))


def show(result: dict[str, dict[str, Any]]) -> None:
    """A table, and ratios to our default engine."""
    columns = ["prefill_tps", "decode_tps", "ttft_turn10_s", "batch32_tps", "load_s", "peak_rss_mb"]
    print(f"| engine | kind | {' | '.join(columns)} | prefill, decode, first token: calm is |")
    print("| --- " * (len(columns) + 3) + "|")
    calm = result["calm"]
    for name, row in result.items():
        figures = " | ".join(
            f"{row[c]:.3g}" if row.get(c, 99) < 10 else f"{row[c]:.0f}" if c in row else "" for c in columns
        )
        times = calm["prefill_tps"] / row["prefill_tps"], calm["decode_tps"] / row["decode_tps"]
        ratio = ", ".join(f"{t:.1f}x" for t in (*times, row["ttft_turn10_s"] / calm["ttft_turn10_s"]))
        print(f"| {name} | {row['kind']} | {figures} | {ratio} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
    else:
        main()
