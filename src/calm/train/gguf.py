"""A model as one GGUF file in bfloat16, for llama.cpp and what is built on it; `hub.smollm` reads it back."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calm.errors import MissingExtra, ModelError, StorageError
from calm.files import read_json
from calm.format.tokens import Codec
from calm.hub.models import Found
from calm.hub.smollm import NAMES, bf16
from calm.policy.local.weights import Array, rope_frequencies
from calm.train.merge import Merged, Progress, template_of, vacant

if TYPE_CHECKING:
    from gguf import GGUFWriter

HERE = {ours: theirs for theirs, ours in NAMES.items()}
WHOLE = {
    "rope_freqs": "rope_freqs",
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
NORMAL, CONTROL = 1, 3
"""Kinds of tokens as llama.cpp numbers them."""

SPLITS = {"<|im_start|>": "smollm", "<|start_header_id|>": "llama-bpe"}
"""How llama.cpp cuts text before its merges, by a token that the family has."""


def gguf(found: Found, out: Path, progress: Progress = lambda what, done, total: None) -> None:
    """Write base plus adapter (or a whole model) to the file `out`; norms stay float32.

    Raises:
        UsageError: `out` is there already.
        ModelError: a tokenizer that is not byte-level BPE of a family that llama.cpp knows.
        MissingExtra: `gguf` is not installed.
        StorageError: it cannot be written.
    """
    try:
        from gguf import GGUFWriter
    except ImportError as error:
        raise MissingExtra("writing GGUF", "local", error.name or "gguf") from error
    vacant(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}")
    try:
        writer = GGUFWriter(part, "llama")
        config = read_json(found.base / "config.json")
        _settings(writer, config, found.name)
        _tokens(writer, found, config)
        _tensors(writer, Merged.of(found), config, progress)
        part.replace(out)
    except OSError as error:
        raise StorageError(f"{out}: cannot be written ({error.strerror}); free some space") from error
    finally:
        part.unlink(missing_ok=True)


def _settings(writer: "GGUFWriter", config: dict[str, Any], name: str) -> None:
    from gguf import LlamaFileType

    heads = config["num_attention_heads"]
    rope = _rope(config)
    writer.add_name(Path(name).name)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(config.get("head_dim") or config["hidden_size"] // heads)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(LlamaFileType.MOSTLY_BF16)


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """The rope settings, in whichever spelling; llama.cpp takes plain ones, and Llama 3's as a tensor of factors."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind not in ("default", "llama3"):
        raise ModelError(f"config.json: rope type {kind!r} is not written as GGUF here; use llama.cpp's own converter")
    return {**rope, "kind": kind, "rope_theta": rope.get("rope_theta") or config.get("rope_theta") or 10000.0}


def factors(config: dict[str, Any]) -> Array | None:
    """By what Llama 3 divides each rotary frequency: 1 for the fast ones, the whole factor for the slow ones."""
    rope = _rope(config)
    if rope["kind"] == "default":
        return None
    plain = {
        **config,
        "rope_scaling": None,
        "rope_parameters": {"rope_type": "default", "rope_theta": rope["rope_theta"]},
    }
    return rope_frequencies(plain) / rope_frequencies(config)


def _tokens(writer: "GGUFWriter", found: Found, config: dict[str, Any]) -> None:
    path = found.tokenizer / "tokenizer.json"
    tree = read_json(path)
    split = next(
        (kind for token, kind in SPLITS.items() if token in {t["content"] for t in tree["added_tokens"]}), None
    )
    if tree["model"].get("type") != "BPE" or split is None:
        raise ModelError(f"{path}: is no byte-level BPE with the turn markers of ChatML or Llama 3")
    added = {token["id"]: token["content"] for token in tree["added_tokens"]}
    known = {place: text for text, place in tree["model"]["vocab"].items()} | added
    tokens = [known.get(place, f"[PAD{place}]") for place in range(config["vocab_size"])]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(tokens)
    writer.add_token_types([CONTROL if place in added else NORMAL for place in range(len(tokens))])
    merges = tree["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    end = Codec.load(found.tokenizer).stop
    writer.add_bos_token_id(config.get("bos_token_id") or 0)
    writer.add_eos_token_id(end)
    writer.add_pad_token_id(end if config.get("pad_token_id") is None else config["pad_token_id"])
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(False)  # the template writes it where the family has one
    writer.add_chat_template(template_of(found))


def _tensors(writer: "GGUFWriter", model: Merged, config: dict[str, Any], progress: Progress) -> None:
    """Heads first, since GGUF lists all tensors before the first byte of any; then one after the other."""
    from gguf import GGMLQuantizationType as Kind

    rope = factors(config)
    shapes = ({} if rope is None else {"rope_freqs.weight": [*rope.shape]}) | model.shapes()
    for name, shape in shapes.items():
        flat = len(shape) == 1
        kind, size = (Kind.F32, 4) if flat else (Kind.BF16, 2)
        held = shape if flat else [*shape[:-1], shape[-1] * size]
        dtype = np.dtype(np.float32) if flat else np.dtype(np.uint8)
        writer.add_tensor_info(_name(name), held, dtype, math.prod(shape) * size, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    if rope is not None:
        writer.write_tensor_data(rope)
    for name, value in model.tensors(progress):
        writer.write_tensor_data(_packed(name, value, config))
    writer.close()


def _packed(name: str, value: Array, config: dict[str, Any]) -> np.ndarray:
    """A tensor as it lies in the file: norms in float32, matrices in bfloat16 bytes, q and k in llama.cpp's order."""
    if value.ndim == 1:
        return value
    heads = config["num_attention_heads"]
    order = {"q_proj": heads, "k_proj": config.get("num_key_value_heads") or heads}
    part = name.split(".")[-2]
    value = _paired(value, order[part]) if part in order else value
    return np.frombuffer(bf16(value), np.uint8).reshape(len(value), -1)


def _name(name: str) -> str:
    stem = name.removesuffix(".weight")
    if stem in WHOLE:
        return f"{WHOLE[stem]}.weight"
    _, _, layer, rest = stem.split(".", 3)
    return f"blk.{layer}.{HERE[rest]}.weight"


def _paired(value: Array, heads: int) -> Array:
    """llama.cpp's row order of q and k: halves (i, i + d/2) of each head become pairs (2i, 2i+1)."""
    rows, columns = value.shape
    return value.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)
