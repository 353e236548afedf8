"""Where rows come from: origin, licence and what the licence asks of whoever passes rows on; for the dataset card."""

from typing import NamedTuple


class Corpus(NamedTuple):
    """One upstream: `origin` is owner/repository@commit; `benchmark` says that others use it to test models."""

    title: str
    origin: str
    licence: str
    asks: str = ""
    benchmark: bool = False

    @property
    def share_alike(self) -> bool:
        """Whether rows made from it must be passed on under the same licence."""
        return "SA" in self.licence


CORPORA: dict[str, Corpus] = {
    "snips": Corpus("SNIPS 2017", "sonos/nlu-benchmark@b86ac7f1", "CC0-1.0"),
    "sgd": Corpus(
        "Schema-Guided Dialogue",
        "google-research-datasets/dstc8-schema-guided-dialogue@e852981a",
        "CC-BY-SA-4.0",
        "name the source; pass on what is made from it under CC BY-SA 4.0",
    ),
    "star": Corpus("STAR", "RasaHQ/STAR@30589750", "MIT", "keep the copyright notice"),
    "taskmaster_4": Corpus(
        "Taskmaster-4", "google-research-datasets/Taskmaster@d92cb6af", "CC-BY-4.0", "name the source"
    ),
    "seal_tools": Corpus("Seal-Tools", "fairyshine/Seal-Tools@ce753ecd", "Apache-2.0", "keep the notice", True),
    "toucan": Corpus("Toucan MCP schemas", "TheAgentArk/Toucan@a1976dea", "MIT", "keep the copyright notice"),
    "hammer": Corpus("Hammer, published examples", "MadeAgents/Hammer@ff415d99", "Apache-2.0", "keep the notice"),
    "hammerbench": Corpus("HammerBench", "MadeAgents/HammerBench@2f25291", "Apache-2.0", "keep the notice", True),
    "toolace": Corpus("ToolACE, 100 dialogues", "zaego123/ToolACE_data@5f6a01de", "Apache-2.0", "keep the notice"),
    "toolrl": Corpus("ToolRL RLLA", "qiancheng0/ToolRL@8cee13ec", "Apache-2.0", "keep the notice"),
    "llamafactory": Corpus("LLaMA-Factory demos", "hiyouga/LLaMA-Factory@ff6d4d12", "Apache-2.0", "keep the notice"),
    "xlam": Corpus("xlam-function-calling-60k", "Salesforce/xlam-function-calling-60k", "CC-BY-4.0", "name the source"),
    "xlam_irrelevance": Corpus(
        "xlam-irrelevance-7.5k", "MadeAgents/xlam-irrelevance-7.5k", "CC-BY-4.0", "name the source"
    ),
    "toolace_full": Corpus("ToolACE", "Team-ACE/ToolACE", "Apache-2.0", "keep the notice"),
    "calm": Corpus("calm's own sample and town", "the calm package", "Apache-2.0", "keep the notice"),
}
"""Commits are those of the files in a corpora folder; hub datasets are taken at their head."""
