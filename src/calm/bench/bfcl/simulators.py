"""The eight simulated APIs of BFCL's multi-turn part, out of the pinned wheel, fresh for every entry.

The classes are upstream's own (Apache-2.0; V4: bfcl-eval 2026.3.23, V3: 2025.6.8, equal to February 2025 up to white
space), read from the wheel's source and never installed. They are compiled once and executed anew for each entry,
because one of them writes into a module constant; so nothing that happens in an entry outlives it. Their imports are a
closed list. A call reaches them by table: a public method's name and literal arguments, never `eval`.
"""

import builtins
import copy
import decimal
import functools
import importlib
import inspect
import threading
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from calm.bench.bfcl import versions
from calm.errors import DataError, MissingExtra

BELOW = "eval_checker/multi_turn_eval/func_source_code"
PACKAGE = f"bfcl_eval.{BELOW.replace('/', '.')}"
FILES = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TwitterAPI": "posting_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}
"""Class -> the module (and the file of function descriptions) that it stands in."""
STATELESS = ("MathAPI",)
IMPORTS = ("_strptime", "copy", "datetime", "decimal", "math", "mpmath", "random", "re", "time", "typing")
"""All that the simulators import for use, `_strptime` and `time` through `datetime`.

One names `subprocess` and never uses it: here it is an empty module.
"""
BITS = 100_000
"""Largest integer (in bits) that `power` may make."""
DIGITS = 1_000
"""Most digits that may be asked for."""


class Simulators:
    """The objects of one side of one entry: what a model (or the truth) acts upon, from the first turn to the last."""

    def __init__(self, code: "Code", classes: Sequence[str], config: Mapping[str, Any], long_context: bool) -> None:
        self.instances = {name: _instance(code, name, config.get(name, {}), long_context) for name in classes}
        self.methods: dict[str, Callable[..., Any]] = {}
        self.owners: dict[str, str] = {}
        for name, instance in self.instances.items():
            for method, found in vars(type(instance)).items():
                if isinstance(found, types.FunctionType) and not method.startswith("_"):
                    bound = getattr(instance, method)
                    self.methods[method] = GUARDED.get((name, method), _as_it_is)(bound)
                    self.owners[method] = name

    def state(self) -> dict[str, dict[str, Any]]:
        """The public attributes of every object, which is what the checker compares; live values, not copies."""
        shown = {name: vars(instance) for name, instance in self.instances.items()}
        return {n: {k: v for k, v in held.items() if not k.startswith("_")} for n, held in shown.items()}


def _instance(code: "Code", name: str, config: Any, long_context: bool) -> Any:
    made = getattr(code.module(FILES[name]), name)()
    if name not in STATELESS:
        made._load_scenario(copy.deepcopy(config), long_context=long_context)
    return made


class Code:
    """One execution of the upstream modules, sharing nothing with any other; the sides of an entry share one.

    They must, because objects of two executions are never equal: their classes are not the same.
    """

    def __init__(self, version: str) -> None:
        self._version = version
        self._modules: dict[str, types.ModuleType] = {}

    def module(self, name: str) -> types.ModuleType:
        """The module of that file, executed on first use."""
        if name not in self._modules:
            module = types.ModuleType(f"calm_bfcl_{self._version}.{name}")
            module.__dict__["__builtins__"] = {**vars(builtins), "__import__": self._import}
            types.FunctionType(_code(self._version, name), module.__dict__)()
            self._modules[name] = module
        return self._modules[name]

    def _import(self, name: str, *rest: Any) -> Any:
        """`import` as the upstream modules see it: one another, and a closed list."""
        if name.startswith(PACKAGE):
            return self.module(name.rpartition(".")[2])
        if name == "subprocess":
            return types.ModuleType(name)
        if name not in IMPORTS:
            raise DataError(versions.PACKAGE, f"{versions.named(self._version).release} imports {name}; not allowed")
        try:
            return importlib.import_module(name)
        except ImportError as error:
            raise MissingExtra("simulating MathAPI", "bench", name) from error


@functools.cache
def _code(version: str, name: str) -> types.CodeType:
    path = f"{BELOW}/{name}.py"
    return compile(versions.named(version).text(path), f"bfcl_eval/{path}", "exec", dont_inherit=True)


# --- what safety takes away ------------------------------------------------------------------------------------------

_ONE_AT_A_TIME = threading.RLock()
"""mpmath's precision belongs to the whole process, so two entries must not set it at once."""


def _as_it_is(method: Callable[..., Any]) -> Callable[..., Any]:
    return method


def _guarded(refuse: Callable[[Mapping[str, Any]], bool]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A method that does not run when `refuse` says so of its arguments, and leaves no precision set behind it."""

    def guard(method: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*given: Any, **named: Any) -> Any:
            if refuse(_bound(method, given, named)):
                raise OverflowError("the result would be too large")
            with _ONE_AT_A_TIME, decimal.localcontext():
                return method(*given, **named)

        return guarded

    return guard


def _bound(method: Callable[..., Any], given: Sequence[Any], named: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return inspect.signature(method).bind(*given, **named).arguments
    except TypeError:
        return {}  # the method itself says what is wrong with its arguments, in its own words


def _beyond(name: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda bound: isinstance(bound.get(name), int) and abs(bound[name]) > DIGITS


def _power_explodes(bound: Mapping[str, Any]) -> bool:
    base, exponent = bound.get("base"), bound.get("exponent")
    whole = isinstance(base, int) and isinstance(exponent, int)
    return whole and base.bit_length() * max(exponent, 0) > BITS


GUARDED: dict[tuple[str, str], Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    ("MathAPI", "logarithm"): _guarded(_beyond("precision")),
    ("MathAPI", "power"): _guarded(_power_explodes),
    ("MathAPI", "round_number"): _guarded(_beyond("decimal_places")),
    ("MathAPI", "square_root"): _guarded(_beyond("precision")),
}
"""Methods that upstream would compute for hours, or that set a precision for the whole process."""
