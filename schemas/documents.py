"""YAML text <-> objects: every error of a text at once, with file, document number, key path and what was expected.

YAML is read safely and, where YAML 1.1 would surprise, as YAML 1.2: `off` and `no` are words, a key given twice is an
error. Shapes only; what objects mean together is the resolver's to verify. This module must not read files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import yaml
from msgspec import structs

from schemas.objects import API_VERSION, KINDS, PolicyObject, encode_object, key_of, kind_of


@dataclass(frozen=True, slots=True)
class DocumentError:
    """One thing that is wrong. document counts from 1, 0 is the text as a whole; path is empty for a whole document."""

    file: str
    document: int
    path: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}: document {self.document}" if self.document else self.file
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class Document:
    """One object and where it was written."""

    file: str
    number: int
    obj: PolicyObject

    @property
    def key(self) -> str:
        """Key of the object on policy.objects."""
        return key_of(self.obj)


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc] # chosen at run time
    """Safe, with YAML 1.2's booleans (core schema) and without silently overwritten keys."""


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[object, object]:  # noqa: ANN401 - pyyaml's loaders share no type
    loader.flatten_mapping(node)
    found: dict[object, object] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is not text", key_node.start_mark)
        if key in found:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_BOOL = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _BOOL]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(_BOOL, re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def read_documents(text: str, file: str) -> tuple[list[Document], list[DocumentError]]:
    """Objects of a text and everything that is wrong with it; empty documents are passed over.

    Args:
        text: YAML documents.
        file: name to show in errors.
    """
    documents: list[Document] = []
    errors: list[DocumentError] = []
    try:
        for number, value in _load(text):
            if value is None:
                continue
            for prefix, item in _items(value):
                found = [DocumentError(file, number, prefix + path, message) for path, message in _problems(item)]
                errors += found
                if not found:
                    documents.append(Document(file, number, msgspec.convert(item, PolicyObject)))
    except yaml.YAMLError as error:
        errors.append(DocumentError(file, 0, "", _yaml_message(error)))
    except RecursionError:
        errors.append(DocumentError(file, 0, "", "nested too deeply"))
    return documents, errors + list(_twice(documents))


def _load(text: str) -> Iterator[tuple[int, object]]:
    loader = _Loader(text)
    number = 0
    try:
        while loader.check_data():
            number += 1
            yield number, loader.get_data()
    finally:
        loader.dispose()


def _yaml_message(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else f"not YAML: {problem}"


def _twice(documents: Iterable[Document]) -> Iterator[DocumentError]:
    first: dict[str, Document] = {}
    for document in documents:
        other = first.setdefault(document.key, document)
        if other is not document:
            kind, _, name = document.key.split("/", 2)
            yield DocumentError(
                document.file,
                document.number,
                "metadata.name",
                f"{kind} {name} is written in document {other.number} of {other.file} already",
            )


def find_twice(documents: Iterable[Document]) -> list[DocumentError]:
    """Objects written twice in documents of several texts."""
    return list(_twice(documents))


def _items(value: object) -> Iterator[tuple[str, object]]:
    """The objects of a document, each with its key path: itself or, as Kubernetes writes many, the items of a List."""
    if isinstance(value, dict) and value.get("kind") == "List" and isinstance(value.get("items"), list):
        for place, item in enumerate(value["items"]):
            yield f"items[{place}].", item
    else:
        yield "", value


def _problems(value: object) -> list[tuple[str, str]]:
    if not isinstance(value, dict):
        return [("", f"expected an object with apiVersion, kind, metadata and spec, got {_shown(value)}")]
    if value.get("apiVersion") != API_VERSION:
        problems = [("apiVersion", f"expected {API_VERSION!r}, got {_shown(value.get('apiVersion'))}")]
    else:
        problems = []
    kind = KINDS.get(str(value.get("kind")))
    if kind is None:
        return [*problems, ("kind", f"expected one of {', '.join(KINDS)}, got {_shown(value.get('kind'))}")]
    rest = {key: part for key, part in value.items() if key not in {"apiVersion", "kind"}}
    return problems + list(_check(rest, kind, ""))


def _check(value: object, kind: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a type annotation
    """Walk a value along its type, so that one error does not hide the others."""
    bare, *limits = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        yield from _check_struct(value, bare, path)
    elif get_origin(bare) is list and isinstance(value, list):
        (item_kind,) = get_args(bare)
        for place, item in enumerate(value):
            yield from _check(item, item_kind, f"{path}[{place}]")
        if limits:
            yield from _check_leaf(value, Annotated[(list, *limits)], path)
    elif get_origin(bare) is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from _check(item, get_args(bare)[1], f"{path}.{key}")
        if limits:
            yield from _check_leaf(value, Annotated[(dict, *limits)], path)
    elif type(None) in get_args(bare) and value is not None:
        yield from _check(value, get_args(bare)[0], path)
    else:
        yield from _check_leaf(value, kind, path)


def _check_struct(value: object, kind: type[msgspec.Struct], path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield path, f"expected keys and values, got {_shown(value)}"
        return
    fields = {field.encode_name: field for field in structs.fields(kind) if field.name != "api_version"}
    dot = f"{path}." if path else ""
    for key in value:
        if key not in fields:
            yield f"{dot}{key}", f"unknown key, expected one of {', '.join(fields)}"
    for name, field in fields.items():
        if name in value:
            yield from _check(value[name], field.type, f"{dot}{name}")
        elif field.required:
            yield f"{dot}{name}", "is missing"


_KINDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false", "array": "a list",
          "object": "keys and values", "datetime": "a time such as 2030-01-31T12:00:00Z"}  # fmt: skip
_TYPE = re.compile(r"`(\w+)`")


def _check_leaf(value: object, kind: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - a type annotation
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        message = str(error).split(", got `")[0]
        for limit in get_args(kind)[1:]:
            if getattr(limit, "description", None) and "matching regex" in message:
                message = f"expected {limit.description}"
        if get_origin(kind) is Literal:
            message = f"expected one of {', '.join(map(str, get_args(kind)))}"
        message = _TYPE.sub(lambda found: _KINDS.get(found[1], found[1]), message)
        yield path, f"{message[:1].lower()}{message[1:]}, got {_shown(value)}"


def _shown(value: object) -> str:
    text = "nothing" if value is None else str(value) if isinstance(value, date) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def write_documents(objects: Iterable[PolicyObject]) -> str:
    """Objects as YAML documents that read_documents reads back to the same objects."""
    return "---\n".join(yaml.dump(plain(obj), Dumper=_Dumper, sort_keys=False, allow_unicode=True) for obj in objects)


def plain(obj: PolicyObject) -> dict[str, object]:
    """An object as a person writes it: apiVersion, kind, metadata, spec, without what is the default."""
    value = msgspec.json.decode(encode_object(obj))
    spec = {key: part for key, part in value["spec"].items() if part != {}}
    return {"apiVersion": API_VERSION, "kind": kind_of(obj), "metadata": value["metadata"], "spec": spec}


class _Dumper(yaml.SafeDumper):
    """Quotes whatever YAML 1.1 or 1.2 would read as something else than text; indents lists."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - pyyaml's signature
        return super().increase_indent(flow, False)  # noqa: FBT003 - pyyaml's signature


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # pyyaml folds the line breaks of Unicode to spaces unless they stand between double quotes
    style = '"' if not _LINE_BREAKS.isdisjoint(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_LINE_BREAKS = frozenset("\r\x85\u2028\u2029")
_Dumper.add_representer(str, _text)
