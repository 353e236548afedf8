"""Steps on a toy and checkpoints, which the tests of the crew run alone and, through torchrun, in two processes."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from calm.format.tokens import Encoded
from calm.train import shard
from calm.train.crew import here
from calm.train.model import LoraLlama, Source
from calm.train.recipe import TrainRecipe
from tests.tiny import CONFIG, _weights

ROWS = [Encoded([7, 1 + n % 3, *range(n)], [False, *[True] * (n + 1)]) for n in (2, 9, 4, 6, 3)]


class Block(nn.Module):
    """Frozen bfloat16 and bytes (an odd number of rows), trained float32: what a QLoRA block holds."""

    def __init__(self):
        super().__init__()
        self.frozen = nn.Parameter(torch.randn(8, 8).bfloat16(), requires_grad=False)
        self.packed = nn.Parameter(torch.randint(0, 255, (3, 1), dtype=torch.uint8), requires_grad=False)
        self.a = nn.Parameter(torch.randn(3, 8) * 0.3)
        self.b = nn.ParameterList([nn.Parameter(torch.randn(8, 3) * 0.3)])

    def forward(self, x):
        return x + (x @ self.frozen.float().T).tanh() + x @ self.a.T @ self.b[0].T + self.packed.float().mean() / 255


class Toy(nn.Module):
    """A model as the loop sees one."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Parameter(torch.randn(12, 8).bfloat16(), requires_grad=False)
        self.layers = nn.ModuleList(Block() for _ in range(2))

    def loss(self, rows):
        total = torch.zeros(())
        for row in rows:
            x = self.embedding[torch.tensor(row.ids)].float()
            for layer in self.layers:
                x = layer(x)
            total = total + nn.functional.cross_entropy(
                x[:-1] @ self.embedding.float().T, torch.tensor(row.ids[1:]), reduction="sum"
            )
        return total, sum(sum(row.learn) for row in rows)

    def trained(self):
        return ((name, weight) for name, weight in self.named_parameters() if weight.requires_grad)


def steps(crew, out, start=None):
    """Three steps, from a checkpoint if one is named, and a checkpoint: loss and norm of each."""
    torch.manual_seed(0)
    model = Toy()
    crew.shard(model)
    optimiser = torch.optim.AdamW([weight for _, weight in model.trained()], lr=0.05, fused=True)
    state = shard.tensors(model.trained(), optimiser)
    if start:
        crew.load(start, state)
    log = [step(crew, model, optimiser) for _ in range(3)]
    crew.save(out, state)
    return log


def step(crew, model, optimiser):
    learned, loss = sum(sum(row.learn) for row in ROWS), 0.0
    for part in crew.share(ROWS):
        summed, _ = model.loss(part.rows)
        (summed * part.weight / learned).backward()
        loss += summed.item() * part.weight
    norm = crew.norm([weight for _, weight in model.trained()], 1.0)
    optimiser.step()
    optimiser.zero_grad()
    return [crew.total(loss) / learned, norm]


def state(crew, method):
    """Bytes of gradients and moments that a process holds once a model is spread."""
    config = {**CONFIG, "vocab_size": 64}
    model = LoraLlama(Source(config, _weights(config)), TrainRecipe(method=method), spread=crew.shard)
    crew.shard(model)
    model.measure()
    return model.state


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with here() as crew:
        result = {"fresh": steps(crew, folder / "two"), "on": steps(crew, folder / "b", folder / "one")}
        machines = replace(crew, mesh=shard.mesh("cpu", 2, 1))
        result["two machines"] = steps(machines, folder / "c")
        result["state"] = [state(crew, method) for method in ("lora", "full")]
        if crew.first:
            (folder / "result.json").write_text(json.dumps(result))
