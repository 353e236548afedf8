"""CALM (also CoALM): one model that holds a task conversation and calls tools; data, training, agent and judges.

Importing this package, or any room of it, has no side effects. The nouns live in `calm.conversation`, the only loop in
`calm.agent`; `docs/architecture.md` is the map.
"""

__version__ = "0.1.0"
