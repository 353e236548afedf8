"""Every export opened by its own trainer's reader: what each of them took and what it wrote for the model.

    python benchmarks/readers.py [--dataset FOLDER] [--venv FOLDER]        some minutes, about 400 MB; needs a network

Makes a virtual environment on top of the one that runs this, installs each trainer there without its dependencies,
then only what its reader imports, and asks that reader for the rows of an export of the sample dataset (or of FOLDER).
Counted are rows, thoughts and calls that come out of reader and chat template, beside what the conversations hold.
Modules that have nothing to do with reading rows (sound, experiment trackers) are stood in for by empty ones: `STUBS`.
"""

import argparse
import importlib.machinery
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import types
import venv
from collections.abc import Callable, Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, NamedTuple

STUBS = ("torchaudio", "mlflow", "wandb", "pexpect")
EVERY = ("trl==1.16.0", "pillow", "protobuf", "requests", "urllib3", "idna", "certifi", "charset-normalizer")
WITH_DEPENDENCIES = ("rpds-py", "cffi", "aiohttp", "tensorboard")


class Trainer(NamedTuple):
    """A trainer as its registry calls it, what its reader imports beside what is here, and who opens which export."""

    wheel: str
    needs: tuple[str, ...]
    reader: str
    exports: tuple[str, ...]


TRAINERS = {
    "trl": Trainer("trl==1.16.0", (), "apply_chat_template over datasets.load_dataset", ("trl",)),
    "llamafactory": Trainer(
        "llamafactory==0.9.5",
        ("omegaconf", "antlr4-python3-runtime", "av", "einops", "accelerate", "psutil", "modelscope", "scipy"),
        "get_dataset_list, align_dataset, template qwen",
        ("sharegpt", "coalm"),
    ),
    "swift": Trainer(
        "ms-swift==4.6.0",
        (
            "modelscope",
            "modelscope-hub",
            "json_repair",
            "cryptography",
            "addict",
            "dacite",
            "attrs",
            "simplejson",
            "sortedcontainers",
        ),
        "swift.dataset.load_dataset, agent_template hermes",
        ("ms-swift", "coalm"),
    ),
    "axolotl": Trainer("axolotl==0.19.0", ("colorama", "addict"), "SFTDataset, ChatTemplateStrategy", ("axolotl",)),
    "oumi": Trainer(
        "oumi==0.9",
        (
            "omegaconf",
            "antlr4-python3-runtime",
            "jsonlines",
            "jsonschema",
            "jsonschema-specifications",
            "referencing",
            "attrs",
            "absl-py",
        ),
        "TextSftJsonLinesDataset",
        ("oumi", "coalm"),
    ),
}
CALLED = '<tool_call>\n{"name": "'
"""How the templates used here begin a call; the example in a system prompt has no quote after the colon."""
Said = Iterator[str]
"""What a reader and its template make of each row."""


# --- inside the environment: one reader, one export ------------------------------------------------------------------


def stub() -> None:
    """Empty modules for what the trainers import and no reader of text rows uses."""
    for name in STUBS:
        module = types.ModuleType(name)
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        sys.modules[name] = module


def tokenizer(limit: int = 1 << 20) -> Any:
    """A byte-level tokenizer with our chat template, which has words for tools, thoughts and parallel calls."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from calm.format.react import CHATML
    from calm.format.template import chat_template

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    plain = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    plain.add_special_tokens([AddedToken(token, special=True) for token in ("<|im_start|>", "<|im_end|>")])
    found = PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="<|im_end|>", model_max_length=limit)
    found.chat_template = chat_template(CHATML)
    return found


def trl(folder: Path) -> Said:
    """As `SFTTrainer` prepares them: the folder's own card gives the columns."""
    import datasets

    apply_chat_template = import_module("trl.data_utils").apply_chat_template
    codec = tokenizer()
    for row in datasets.load_dataset(str(folder), split="train"):
        yield apply_chat_template({"messages": row["messages"]}, codec, tools=json.loads(row["tools"]))["text"]


class Characters:
    """A tokenizer of characters: what a LLaMA-Factory template wrote can be read again."""

    bos_token_id = eos_token_id = None

    def encode(self, text: str, add_special_tokens: bool = False) -> list[str]:
        """Each character a token."""
        return list(text)


def llamafactory(folder: Path) -> Said:
    """Its parser of dataset_info.json, its converter and its Qwen template; an Alpaca file gets an entry of its own."""
    os.environ["DISABLE_VERSION_CHECK"] = "1"
    import datasets

    template = import_module("llamafactory.data.template").TEMPLATES["qwen"]
    described = json.loads((folder / "dataset_info.json").read_text()) if folder.name == "sharegpt" else ALPACA
    name = next(name for name in described if name.endswith("train"))
    attributes = import_module("llamafactory.data.parser").get_dataset_list([name], described)[0]
    convert = import_module("llamafactory.data.converter").get_dataset_converter(
        attributes.formatting, attributes, None
    )
    for row in datasets.load_dataset("json", data_files=str(folder / attributes.dataset_name), split="train"):
        made = convert(row)
        said = made["_prompt"] + made["_response"]
        if said:
            yield "".join(map("".join, template._encode(Characters(), said, made["_system"], made["_tools"])))


ALPACA = {"coalm_train": {"file_name": "train.jsonl"}}


def swift(folder: Path) -> Said:
    """Its loader with its automatic preprocessor; calls as its agent template writes them."""
    agent = import_module("swift.agent_template").agent_template_map["hermes"]()
    rows, _ = import_module("swift.dataset").load_dataset(
        str(folder / "train.jsonl"), num_proc=1, load_from_cache_file=False
    )
    for row in rows:
        calls = [message for message in row["messages"] if message["role"] == "tool_call"]
        written = [agent._format_tool_calls([call]) for call in calls]
        yield "\n".join([*(m["content"] for m in row["messages"] if m["role"] != "tool_call"), *written])


def axolotl(folder: Path) -> Said:
    """Its schema for the stanza and its strategy for the rows; only tokens that it would train on are decoded."""
    import datasets
    import yaml

    strategies = import_module("axolotl.prompt_strategies.chat_template")
    whole = import_module("axolotl.utils.dict").remove_none_values
    settings = import_module("axolotl.utils.schemas.datasets").SFTDataset.model_validate(
        yaml.safe_load((folder / "dataset.yaml").read_text())["datasets"][0]
    )
    codec = tokenizer()
    prompter = strategies.ChatTemplatePrompter(
        codec,
        codec.chat_template,
        field_messages=settings.field_messages,
        field_tools=settings.field_tools,
        field_thinking=settings.field_thinking,
        template_thinking_key=settings.template_thinking_key,
    )
    strategy = strategies.ChatTemplateStrategy(
        prompter, codec, False, 1 << 20, roles_to_train=settings.roles_to_train, train_on_eos=settings.train_on_eos
    )
    rows = datasets.load_dataset(settings.ds_type, data_files=str(folder / settings.path), split=settings.split)
    for row in rows:
        labels = strategy.tokenize_prompt(whole(row))["labels"]
        yield codec.decode([label for label in labels if label != -100])


def oumi(folder: Path) -> Said:
    """Its JSON Lines dataset, which tells chat from Alpaca rows by itself, and its prompts.

    Without tools it hands the template objects that transformers past its own range no longer takes; there the
    contents that it read stand for the prompt.
    """
    reader = import_module("oumi.datasets.sft.sft_jsonlines").TextSftJsonLinesDataset
    dataset = reader(dataset_path=folder / "train.jsonl", tokenizer=tokenizer())
    for index in range(len(dataset)):
        read = dataset.conversation(index)
        yield dataset.prompt(index) if read.tools else "\n".join(message.content for message in read.messages)


READERS: dict[str, Callable[[Path], Said]] = {
    "trl": trl,
    "llamafactory": llamafactory,
    "swift": swift,
    "axolotl": axolotl,
    "oumi": oumi,
}


def read(trainer: str, folder: Path) -> dict[str, Any]:
    """Rows, thoughts and calls that the reader gives."""
    stub()
    said = list(READERS[trainer](folder))
    return {
        "version": metadata.version(TRAINERS[trainer].wheel.split("==")[0]),
        "rows": len(said),
        "thoughts": sum(text.count("\n</think>") for text in said),
        "calls": sum(text.count(CALLED) for text in said),
    }


# --- outside: the environment, the exports, the table ----------------------------------------------------------------


def environment(folder: Path) -> Path:
    """The Python of a virtual environment that sees the packages of this one; what is there already is used again."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        beneath = next(folder.glob("lib/python*/site-packages")) / "beneath.pth"
        beneath.write_text(f"import site; site.addsitedir({sysconfig.get_paths()['purelib']!r})\n")
    return python


def install(python: Path, packages: tuple[str, ...], *flags: str) -> str:
    """Install into the environment; what went wrong, or nothing."""
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *flags, *packages]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else ran.stderr.strip().splitlines()[-1]


def exported(dataset: Path | None, into: Path) -> dict[str, dict[str, int]]:
    """Export to every format; for each the rows written and the thoughts and calls that they hold."""
    from calm.conversation import read as conversations
    from calm.data.export.run import EXPORTERS, export, splits_of

    source = dataset or built(into / "dataset")
    kept = list(conversations(splits_of(source)["train"]))
    held = {"thoughts": sum(_thoughts(c) for c in kept), "calls": sum(_calls(c) for c in kept)}
    rows = {name: export(source, name, into / name)[0].rows for name in EXPORTERS}
    return {name: {"rows": count, **(held if name != "coalm" else {})} for name, count in rows.items()}


def _thoughts(conversation: Any) -> int:
    return sum(getattr(message, "thought", None) is not None for message in conversation.messages)


def _calls(conversation: Any) -> int:
    return sum(len(getattr(message, "calls", ())) for message in conversation.messages)


def built(folder: Path) -> Path:
    """The sample dataset of the package."""
    recipe = Path(__file__).parent.parent / "recipes/data/sample.yaml"
    subprocess.run([sys.executable, "-m", "calm", "build", str(recipe), "--out", str(folder)], check=True)
    return folder


def asked(python: Path, trainer: str, folder: Path) -> dict[str, Any]:
    """What the trainer's reader says of an export, or the last line of its complaint."""
    command = [str(python), "-W", "ignore", __file__, "--read", trainer, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    answer = [line for line in ran.stdout.splitlines() if line.startswith('{"version"')]
    return json.loads(answer[-1]) if answer else {"why": (ran.stderr.strip().splitlines() or ["no answer"])[-1][:200]}


def main() -> None:
    """Print a line for each reader and export: rows, thoughts, calls, each as read of as written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--venv", type=Path)
    parser.add_argument("--only", nargs="*", default=list(TRAINERS), choices=list(TRAINERS))
    parser.add_argument("--read", nargs=2, metavar=("TRAINER", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        print(json.dumps(read(options.read[0], Path(options.read[1]))))
        return
    with tempfile.TemporaryDirectory() as scratch:
        python = environment(options.venv or Path(scratch) / "venv")
        written = exported(options.dataset, Path(scratch))
        for name in options.only:
            show(name, python, Path(scratch), written)


def show(name: str, python: Path, folder: Path, written: dict[str, dict[str, int]]) -> None:
    """Install one trainer and print what its reader makes of its exports."""
    trainer = TRAINERS[name]
    failed = install(python, WITH_DEPENDENCIES) or install(python, (trainer.wheel, *EVERY, *trainer.needs), "--no-deps")
    for to in trainer.exports:
        found = {"why": failed} if failed else asked(python, name, folder / to)
        if "why" in found:
            print(f"{trainer.wheel:22} {to:9} not read: {found['why']}")
            continue
        counts = ", ".join(f"{found[key]:,} of {number:,} {key}" for key, number in written[to].items())
        print(f"{trainer.wheel:22} {to:9} {counts}  ({trainer.reader})")


if __name__ == "__main__":
    main()
