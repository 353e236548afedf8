"""A model folder small enough to make in a test: two layers, grouped heads, a byte-level tokenizer made on the spot."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from calm.data.sources.town import read_town
from calm.format import react

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
    "rope_theta": 1e4,
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
    "hidden_act": "silu",
    "tie_word_embeddings": True,
    "attention_bias": False,
    "mlp_bias": False,
}


def save_tiny(folder: Path) -> Path:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=["<|im_start|>", "<|im_end|>"], initial_alphabet=alphabet
    )
    tokenizer.train_from_iterator([react.text(c) for c in read_town(30)], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {**CONFIG, "vocab_size": tokenizer.get_vocab_size(), "eos_token_id": 1, "bos_token_id": 0}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(_weights(config), folder / "model.safetensors", {"format": "pt"})
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"})
    )
    return folder


def _weights(config: dict) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator) * 0.3

    hidden, inner, size = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    weights = {
        "model.embed_tokens.weight": random(config["vocab_size"], hidden),
        "model.norm.weight": torch.ones(hidden),
    }
    for i in range(config["num_hidden_layers"]):
        at = f"model.layers.{i}."
        weights |= {at + n: torch.ones(hidden) for n in ("input_layernorm.weight", "post_attention_layernorm.weight")}
        weights[at + "self_attn.q_proj.weight"] = random(config["num_attention_heads"] * size, hidden)
        weights[at + "self_attn.k_proj.weight"] = random(config["num_key_value_heads"] * size, hidden)
        weights[at + "self_attn.v_proj.weight"] = random(config["num_key_value_heads"] * size, hidden)
        weights[at + "self_attn.o_proj.weight"] = random(hidden, config["num_attention_heads"] * size)
        weights[at + "mlp.gate_proj.weight"] = random(inner, hidden)
        weights[at + "mlp.up_proj.weight"] = random(inner, hidden)
        weights[at + "mlp.down_proj.weight"] = random(hidden, inner)
    return weights
