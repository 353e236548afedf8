"""The agent is a verb: `converse` is the only loop in the package. Data, chat, serving and benchmarks all run it.

`loop` holds it, with `follow` and `stream` for those who want to see each thing as it happens; `limits` where it is cut
off, `events` what can happen, `live` how a policy is heard while it writes, `state` the dialogue state after each turn,
`desk` tools that ask first and run once, `sessions` conversations that outlive the process, `spans` OpenTelemetry.
"""

from calm.agent.limits import DEFAULT, Limits
from calm.agent.loop import converse, follow, stream

__all__ = ["DEFAULT", "Limits", "converse", "follow", "stream"]
