"""`params.yaml`: read one section of it into the typed, frozen model that stands beside the code that reads it.

YAML 1.2 (ruamel.yaml, the same parser as DVC's), so `1e-3` is a number here as it is for `dvc exp run -S`.
"""

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipeline.errors import ParameterError
from pipeline.files import write_text

PARAMS_FILE = Path("params.yaml")

Value = str | float | Sequence["Value"] | Mapping[int, "Value"] | None

Section = TypeVar("Section", bound=BaseModel)

_TYPE_WORDS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "object": "a mapping",
    "array": "a list",
    "null": "null",
}
_BOUND_WORDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def read_params(file: Path = PARAMS_FILE) -> dict[str, Any]:
    """Return the whole of a parameters file as plain dicts, lists and numbers.

    Raises
    ------
    ParameterError
        If the file is missing or is not a YAML mapping of sections.
    """
    try:
        content = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParameterError(
            f"{file}: wanted the parameters file in the current folder, found nothing in {Path.cwd()}"
        ) from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{file}: wanted YAML, found {_yaml_problem(error)}") from None
    if not isinstance(content, dict):
        raise ParameterError(f"{file}: wanted sections such as `resize:`, found {_shown(content)}")
    return content


def load_section(name: str, model: type[Section], file: Path = PARAMS_FILE) -> Section:
    """Return section `name` of a parameters file, checked against `model`.

    Raises
    ------
    ParameterError
        If the section is missing, or a key is unknown, missing or of the wrong kind: one line a mistake, each with
        the file, the key, what was wanted and what was found.
    """
    sections = read_params(file)
    if name not in sections:
        raise ParameterError(f"{file}: {name}: wanted a section of this name, found {', '.join(map(str, sections))}")
    try:
        return model.model_validate(sections[name])
    except ValidationError as error:
        lines = [f"{file}: {_mistake(name, model, detail)}" for detail in error.errors()]
        raise ParameterError("\n".join(dict.fromkeys(lines))) from None


def replace_value(section: str, key: str, value: Value, file: Path = PARAMS_FILE) -> None:
    """Write a new value for ``section.key`` into a parameters file; nothing else in it changes, no comment either.

    Raises
    ------
    ParameterError
        If the file, the section or the key is missing.
    """
    old = read_params(file).get(section)
    if not isinstance(old, dict) or key not in old:
        raise ParameterError(f"{file}: {section}.{key}: wanted this key, found nothing")
    text = file.read_text(encoding="utf-8")
    ((name, node),) = [(k, v) for k, v in _entry(YAML(typ="rt").compose(text), section).value if k.value == key]
    start, end, written = node.start_mark.index, _last(node).end_mark.index, _flow(value)
    if start == end:
        # Nothing at all, which is null too: the parser finds it where the next key begins.
        start = end = text.index(":", name.end_mark.index) + 1
        written = f" {written}"
    changed = text[:start] + written + text[end:]
    wanted = read_params(file)
    wanted[section][key] = value
    if _parsed(changed) != wanted:
        # The old value is written in a way (a block, an anchor) that cannot be replaced in its place.
        raise ParameterError(f"{file}: {section}.{key}: wanted a plain value to replace; set it by hand: {value}")
    write_text(file, changed)


def _parsed(text: str) -> Any:
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        return None


def _last(node: Any) -> Any:
    """Return the last scalar of a block, which itself ends only where the next key begins."""
    if getattr(node, "flow_style", True) or not node.value:
        return node
    return _last(node.value[-1][-1] if isinstance(node.value[-1], tuple) else node.value[-1])


def _flow(value: Value) -> str:
    """Return a value as YAML in one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if value is None:
        return "null"
    return _scalar(value) if isinstance(value, str) else repr(value)


def _scalar(value: str) -> str:
    # Text that YAML would take for something else, a number say, has to be quoted; JSON's quoting is YAML's too.
    plain = re.fullmatch(r"[A-Za-z_][\w ./-]*", value) and YAML(typ="safe", pure=True).load(value) == value
    return value if plain else json.dumps(value, ensure_ascii=False)


def _entry(mapping: Any, key: str) -> Any:
    return next(value for name, value in mapping.value if name.value == key)


def _yaml_problem(error: Exception) -> str:
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


def _mistake(section: str, model: type[BaseModel], detail: Any) -> str:
    location: tuple[Any, ...] = detail["loc"]
    schema, keys = _follow(model.model_json_schema(), location)
    key = ".".join([section, *keys])
    match detail["type"]:
        case "extra_forbidden":
            return f"{key}: wanted no such key{_closest(keys[-1], schema)}, found it set to {_shown(detail['input'])}"
        case "missing":
            return f"{key}: wanted {_wanted(schema)}, found nothing"
        case "value_error":
            return f"{key}: {detail['ctx']['error']}"
        case _ if location[-1:] == ("[key]",):
            return f"{key}: wanted other keys, found {_shown(location[-2])} ({detail['msg'].lower()})"
        case _:
            return f"{key}: wanted {_wanted(schema)}, found {_shown(detail['input'])}"


def _follow(schema: Mapping[str, Any], location: tuple[Any, ...]) -> tuple[Mapping[str, Any], list[str]]:
    """Return the JSON schema at `location`, and the part of `location` that a person would write.

    Pydantic puts the names of union branches and of validators into the location as well: what is neither a property
    nor a key of a mapping is left out. For an unknown key, the schema is that of the mapping that refused it.
    """
    definitions = schema.get("$defs", {})
    keys: list[str] = []
    if location and location[-1] == "[key]":
        # A key of a mapping is wrong: it is the mapping that has to be named.
        location = location[:-2]
    for depth, step in enumerate(location):
        schema = _mapping(schema)
        if step in schema.get("properties", {}):
            schema = schema["properties"][step]
        elif isinstance(schema.get("additionalProperties"), dict):
            schema = schema["additionalProperties"]
        elif isinstance(schema.get("items"), dict):
            schema = schema["items"]
        elif depth < len(location) - 1 or "anyOf" in schema:
            continue
        keys.append(str(step))
        if "$ref" in schema:
            schema = definitions[schema["$ref"].rsplit("/", 1)[-1]]
    return schema, keys


def _mapping(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the branch of a union that is a mapping, or what there is where none is."""
    return next((each for each in schema.get("anyOf", ()) if each.get("type") == "object"), schema)


def _closest(key: str, schema: Mapping[str, Any]) -> str:
    known = list(schema.get("properties", {}))
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f" (perhaps `{near[0]}`?)"
    return f" (known are {', '.join(known)})" if known else ""


def _wanted(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_wanted(branch) for branch in schema["anyOf"])
    if "const" in schema:
        return _shown(schema["const"])
    if "enum" in schema:
        return "one of " + ", ".join(_shown(value) for value in schema["enum"])
    words = _TYPE_WORDS.get(schema.get("type", ""), "another value")
    bounds = [f"{sign} {schema[bound]:g}" for bound, sign in _BOUND_WORDS.items() if bound in schema]
    return " ".join([words, " and ".join(bounds)]).strip()


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
