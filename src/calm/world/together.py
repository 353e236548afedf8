"""Several toolboxes as one: each tool keeps its name unless two have it."""

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from calm.conversation import Call, Tool
from calm.errors import UsageError
from calm.world import Toolbox
from calm.world.functions import fault
from calm.world.guard import marked
from calm.world.schemas import NAME


class _Owned(NamedTuple):
    tool: Tool
    toolbox: Toolbox
    name: str


class Together:
    """A Toolbox of toolboxes by label; of two tools of one name the later is called `label_name`.

    Raises:
        UsageError: even so two tools have one name.
    """

    def __init__(self, toolboxes: Mapping[str, Toolbox]) -> None:
        self.toolboxes = dict(toolboxes)
        self._offered: tuple[tuple[Tool, ...], ...] = ()
        self._owned: dict[str, _Owned] = {}
        self._now()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Together":
        return Together({label: copy.deepcopy(toolbox, memo) for label, toolbox in self.toolboxes.items()})

    @property
    def tools(self) -> tuple[Tool, ...]:
        """What all of them offer now."""
        return tuple(owned.tool for owned in self._now().values())

    @property
    def writing(self) -> frozenset[str]:
        """Tools that change something."""
        return self._marked("writing")

    @property
    def idempotent(self) -> frozenset[str]:
        """Tools that do no more when called twice."""
        return self._marked("idempotent")

    @property
    def timed(self) -> frozenset[str]:
        """Tools that keep a time limit of their own."""
        return self._marked("timed")

    def check(self, call: Call) -> str | None:
        """What its toolbox says against a call, where it can tell without running it."""
        owned = self._owned.get(call.name)
        if owned is None:
            return fault(f"no tool {call.name!r}; there are: {', '.join(self._owned) or 'none'}", "unknown")
        checking = getattr(owned.toolbox, "check", None)
        return checking(call.model_copy(update={"name": owned.name})) if checking else None

    def run(self, call: Call) -> str:
        """What the toolbox that has the tool says."""
        owned = self._owned.get(call.name)
        if owned is None:
            return fault(f"no tool {call.name!r}; there are: {', '.join(self._owned) or 'none'}", "unknown")
        return owned.toolbox.run(call.model_copy(update={"name": owned.name}))

    def _marked(self, mark: str) -> frozenset[str]:
        return frozenset(name for name, owned in self._now().items() if owned.name in marked(owned.toolbox, mark))

    def _now(self) -> dict[str, _Owned]:
        """The tools as they are, by the name they are called by; worked out anew only when a toolbox changed."""
        offered = tuple(toolbox.tools for toolbox in self.toolboxes.values())
        if offered != self._offered:
            self._owned, self._offered = _named(self.toolboxes, offered), offered
        return self._owned


def _named(toolboxes: Mapping[str, Toolbox], offered: tuple[tuple[Tool, ...], ...]) -> dict[str, _Owned]:
    owned: dict[str, _Owned] = {}
    for (label, toolbox), tools in zip(toolboxes.items(), offered, strict=True):
        for tool in tools:
            name = tool.name if tool.name not in owned else f"{NAME.sub('_', label).strip('_')}_{tool.name}"
            if name in owned:
                raise UsageError(f"two tools are called {name!r}, one of them of {label}; leave one out")
            owned[name] = _Owned(tool.model_copy(update={"name": name}), toolbox, tool.name)
    return owned
