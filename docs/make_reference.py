"""Write docs/reference from the code: the command line, the Python API, and every setting of a training.

Run: python docs/make_reference.py [--check]; with --check nothing is written, and pages that differ are an error.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from types import FunctionType, ModuleType
from typing import TypeGuard

from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.main import get_command

import sononerve
from sononerve.cli import app
from sononerve.data.augment import Augment
from sononerve.models import MIRRORED, MODELS
from sononerve.train.config import TrainConfig

FOLDER = Path(__file__).parent / "reference"
MADE = "<!-- Made from the code by docs/make_reference.py (make docs). Do not edit. -->"
EXAMPLE = re.compile(r"^>>> .*?(?=\n\n|\Z)", re.MULTILINE | re.DOTALL)
KINDS: dict[type, str] = {str: "text", int: "number", float: "number", Path: "path"}
TEXT, BLANK = "```text", ""


def pages() -> dict[str, str]:
    """Every page of the reference by its file's name."""
    return {"command-line.md": command_line(), "python.md": python_api(), "settings.md": settings()}


def command_line() -> str:
    """Every verb and option, with the help text that the program itself shows."""
    root = get_command(app)
    lines = [MADE, "# Command line", BLANK, TEXT, plain(inspect.cleandoc(root.help or "")), "```", BLANK]
    lines.append("Exit status: 0 done; 1 something failed on the way; 2 bad input or options; 130 stopped by Ctrl-C.")
    for name, verb in verbs_of(root):
        lines += [BLANK, f"## sononerve {name}", BLANK, plain(inspect.cleandoc(getattr(verb, "help", None) or ""))]
        lines += [BLANK, "| argument or option | value | default | meaning |", "|---|---|---|---|"]
        lines += [option_row(parameter) for parameter in getattr(verb, "params", ())]
    return "\n".join(lines) + "\n"


def verbs_of(group: object, before: str = "") -> Iterator[tuple[str, object]]:
    """Every verb with its name; those of a group inside bear the group's name too, as ``weights list``."""
    commands: Mapping[str, object] = getattr(group, "commands", {})
    for name, verb in commands.items():
        if hasattr(verb, "commands"):
            yield from verbs_of(verb, f"{before}{name} ")
        else:
            yield f"{before}{name}", verb


def option_row(parameter: object) -> str:
    """One line of a verb's table."""
    opts: list[str] = [*getattr(parameter, "opts", ()), *getattr(parameter, "secondary_opts", ())]
    names = ", ".join(f"`{opt}`" for opt in ([getattr(parameter, "metavar", None)] if opts[0][0] != "-" else opts))
    default: object = getattr(parameter, "default", None)
    shown = "" if default is None or default is False or default == "" else f"`{getattr(default, 'value', default)}`"
    shown = "needed" if getattr(parameter, "required", False) else shown
    annotation: object = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
    meaning = plain(getattr(parameter, "help", None) or "").replace("|", "\\|")
    return f"| {names} | {value_of(annotation)} | {shown} | {meaning} |"


def value_of(annotation: object) -> str:
    """What an option takes, in a word; nothing for a switch."""
    if annotation is bool:
        return ""
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    inner: object = getattr(annotation, "__args__", (annotation,))[0]
    words = [word for kind, word in KINDS.items() if inner is kind]
    return "".join(words) + "s" * (getattr(annotation, "__origin__", None) is list)


def plain(text: str) -> str:
    """Help text without the markup of the terminal."""
    return re.sub(r"\[/?(?:bold|italic|dim)\]", "", text).replace("\\[", "[")


def python_api() -> str:
    """Every public name with its signature and docstring."""
    lines = [MADE, "# Python", BLANK, "`import sononerve` gives these names, and imports each when it is asked for."]
    for name in sononerve.__all__:
        found = getattr(sononerve, name)
        if isinstance(found, ModuleType) and callable(found):  # a verb that is a folder too
            found = getattr(importlib.import_module(f"{found.__name__}.run"), name)
        lines += [BLANK, f"## {name}", BLANK, *described(found, f"sononerve.{name}")]
        for part in public_of(found) if isinstance(found, ModuleType) else ():
            lines += [BLANK, f"### {name}.{part.__name__}", BLANK]
            lines += described(part, f"sononerve.{name}.{part.__name__}")
    return "\n".join(lines) + "\n"


def public_of(module: ModuleType) -> Iterator[type | FunctionType]:
    """The functions of a module or package that bear no underscore, and its settings but for those within others."""
    parts = {name: part for name, part in vars(module).items() if not name.startswith("_")}
    within = {f.annotation for part in parts.values() if is_settings(part) for f in part.model_fields.values()}
    for part in parts.values():
        own = f"{getattr(part, '__module__', None)}.".startswith(f"{module.__name__}.")
        if own and (isinstance(part, FunctionType) or (is_settings(part) and part not in within)):
            yield part


def is_settings(found: object) -> TypeGuard[type[BaseModel]]:
    """Whether it is a pydantic class, whose fields say more than its signature."""
    return inspect.isclass(found) and issubclass(found, BaseModel)


def described(found: object, called: str) -> list[str]:
    """Signature or fields, docstring, and for a class its public methods and properties."""
    lines = [documented(found)]
    if is_settings(found):
        lines = [f"Fields: [settings](settings.md).\n\n{lines[0]}"] if found is TrainConfig else fields(found, "")[1:]
    elif isinstance(found, FunctionType) or (inspect.isclass(found) and not issubclass(found, Exception)):
        lines = [TEXT, called + signature(found), "```", BLANK, *lines]
    for name, member in vars(found).items() if inspect.isclass(found) else ():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if name.startswith("_") or not isinstance(function, FunctionType) or not function.__doc__:
            continue
        told = name if isinstance(member, property) else name + signature(function, bound=True)
        lines += [BLANK, f"- `{told}`: " + " ".join(documented(function).split("```")[0].split())]
    return lines


def signature(function: FunctionType | type, bound: bool = False) -> str:
    """The signature as written, one parameter a line where it is long; ``bound``: without self or cls."""
    found = inspect.signature(function)
    words = [parameter_of(p) for p in list(found.parameters.values())[int(bound) :]]
    result = "" if found.return_annotation in (None, "None", found.empty) else f" -> {found.return_annotation}"
    text = ", ".join(words)
    return f"({text}){result}" if bound or len(text) < 80 else "(\n    " + ",\n    ".join(words) + f"\n){result}"


def parameter_of(parameter: inspect.Parameter) -> str:
    """Name, type and default of one parameter."""
    kind = "" if parameter.annotation is parameter.empty else f": {parameter.annotation}"
    return f"{parameter.name}{kind}" + ("" if parameter.default is parameter.empty else f" = {parameter.default!r}")


def documented(found: object) -> str:
    """The docstring as Markdown: its examples become blocks that no test runs a second time."""
    text = inspect.cleandoc(getattr(found, "__doc__", None) or "").replace("``", "`").replace("  # doctest: +SKIP", "")
    return EXAMPLE.sub(lambda example: f"```pycon\n{example.group().rstrip()}\n```", text)


def settings() -> str:
    """Every field of a run's config.yaml with its default, and of every network."""
    told = "What a run's `config.yaml` holds, and what `--set NAME=VALUE` changes: `--set augment.flip.p=0`."
    lines = [MADE, "# Settings", BLANK, told, BLANK, "## Training", *fields(TrainConfig, "")]
    lines += [BLANK, "## augment", BLANK, "`p` is how often an operation happens; 0 switches it off."]
    for name, operation in Augment().operations().items():
        lines += [BLANK, f"### augment.{name}", *fields(type(operation), f"augment.{name}.")]
    mirrored = f"`network.{MIRRORED}=true`: at run time every frame is looked at twice, the second time mirrored."
    lines += [BLANK, "## network, for every --model", BLANK, mirrored]
    for name, architecture in MODELS.items():
        lines += [BLANK, f"## network, for --model {name}"]
        lines += fields(architecture.settings, "network.", architecture.usual)
    return "\n".join(lines) + "\n"


def fields(model: type[BaseModel], prefix: str, usual: BaseModel | None = None) -> list[str]:
    """A table of a configuration's fields; fields that are configurations themselves follow it."""
    lines, inner = [BLANK, documented(model), BLANK, "| name | type | default |", "|---|---|---|"], list[str]()
    written = {k: v for c in reversed(model.__mro__) for k, v in vars(c).get("__annotations__", {}).items()}
    for name, field in model.model_fields.items():
        if is_settings(field.annotation):
            if field.annotation is not Augment:
                inner += [BLANK, f"### {prefix}{name}", *fields(field.annotation, f"{prefix}{name}.")]
            continue
        default = getattr(usual, name) if usual is not None else field.get_default(call_default_factory=True)
        shown = "needed" if default is PydanticUndefined else f"`{default!r}`"
        kind = str(written[name]).replace("|", "\\|")
        lines.append(f"| `{prefix}{name}` | `{kind}` | {shown} |")
    return lines + inner


def differences(wanted: Mapping[str, str]) -> list[str]:
    """What the committed pages have otherwise, as the first lines of each diff."""
    found: list[str] = []
    for name, text in wanted.items():
        old = (FOLDER / name).read_text(encoding="utf-8") if (FOLDER / name).is_file() else ""
        found += list(difflib.unified_diff(old.splitlines(), text.splitlines(), name, f"made {name}", "", "", 0, ""))[
            :12
        ]
    return found


def main(check: bool) -> int:
    """Write the pages, or compare them."""
    if check:
        found = differences(pages())
        sys.stderr.write("".join(f"{line}\n" for line in [*found, "run make docs"]) if found else "")
        return int(bool(found))
    FOLDER.mkdir(exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
