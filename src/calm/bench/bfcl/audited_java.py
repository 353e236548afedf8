"""What the audited reading repairs in the Java category; JavaScript needs none of it."""

from typing import Any

from calm.bench.bfcl import decode, grade, java, java_values, tasks

REPAIRS = {
    "java_source": "arguments are taken as they were written: upstream loses the body of `new X() {...}` (so that no "
    "map with entries can be answered), fails on `new T[n]`, drops white space, and cuts at the wrong places behind "
    "a character that is not ASCII",
    "java_strings": "a quoted item of an array of strings is that string, as it is in an ArrayList; upstream keeps the "
    "quotes, so that only `new String[]{a, b}`, which is no Java, is right",
    "java_escapes": "escaped quotes and backslashes in a string argument, and the three quotes of a text block, mean "
    "what they mean in Java; upstream compares them as they are spelt",
}
"""What is repaired, and why."""

UNMET = {
    "java_36": "items of a list of `any` become text, which the truth's number and boolean never equal",
    "java_65": "items of a list of `any` become text, which the truth's booleans never equal",
    "java_64": "the truth holds text where a list of allowed values is due, so that only an empty map is right",
    "java_67": "the truth is four maps of one entry each in place of one map of four",
}
"""Items, by `tasks.plain` id, whose truth rejects what is right, and why."""


def error_of(item: tasks.Item, output: Any, decoder: str = "prompt") -> str | None:
    """The error type of an output to a Java item with `REPAIRS`, None where it is right; raises as `decode` does."""
    decoded = decode.read(_calls, output) if decoder == "prompt" else decode.decode(output, decoder)
    return grade.error_of(item.category, item.docs, item.truth, decoded, decoder == "fc", MENDED)


def _calls(output: str) -> Any:
    return java.plain_calls(decode.bracketed(output)[1:-1])


def convert(text: str, declared: str, inner: str | None = None) -> Any:
    """`java_values.convert`, but quoted items of an Array of String lose their quotes."""
    value = java_values.convert(text, declared, inner)
    if declared == "Array" and inner == "String" and isinstance(value, list):
        return [item[1:-1] if len(item) > 1 and item[0] == item[-1] == '"' else item for item in value]
    return value


MENDED = grade.FOREIGN["java"]._replace(convert=convert)
