"""A package with a plugin that works: checked names, filled templates, a folder that is whole."""

from __future__ import annotations

import ast
import functools
import importlib.util
import keyword
import re
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from lcd_plugin.errors import ConfigError
from lcd_plugin.plugins.registry import DATASETS, ENCODERS, METHODS

Kind = Literal["method", "dataset"]

_ENDING = ".j2"
_TESTS = "tests"  # a folder of every new package, beside the module


@dataclass(frozen=True)
class Names:
    """What a new package and its parts are called.

    Attributes:
        distribution: what pip calls it, such as `my-method`.
        package: the module, and what users of `lcd-bench` write, such as `my_method`.
        class_name: the class that does the work, such as `MyMethod`.
    """

    distribution: str
    package: str
    class_name: str


def names_of(name: str, reserved: Collection[str] = ()) -> Names:
    """The names that follow from what the user typed.

    Args:
        name: letters and digits, joined by single `-` or `_`.
        reserved: names that mean something else to the command line.

    Raises:
        ConfigError: it cannot be a name of a package, or is one already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*", name, re.I | re.A):
        raise ConfigError(
            f"'{name}' cannot be a name: take letters and digits, a letter first, joined by "
            f"single - or _, such as my-method."
        )
    words = re.split("[-_]", name)
    package = "_".join(words).lower()
    names = Names(
        distribution=package.replace("_", "-"),
        package=package,
        class_name="".join(word[0].upper() + word[1:] for word in words),
    )
    _check_free(names, reserved)
    return names


def write_package(kind: Kind, names: Names, folder: Path) -> None:
    """Write an installable package with a plugin that works.

    Args:
        kind: what the plugin is.
        names: what it and its parts are called.
        folder: where to; it appears only when it is whole.

    Raises:
        ConfigError: the folder has something in it, or the class would be called as one that its
            own module uses.
    """
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} exists already and is not empty; name another with -o FOLDER.")
    files = _filled(kind, names, folder.name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for place, text in files.items():
            path = temporary / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        temporary.chmod(0o755)  # a temporary folder is its owner's alone
        if folder.exists():
            folder.rmdir()
        temporary.rename(folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _check_free(names: Names, reserved: Collection[str]) -> None:
    package = names.package
    another = "choose another name."
    if keyword.iskeyword(package):
        raise ConfigError(f"'{package}' is a word of the Python language; {another}")
    if package == _TESTS or package in reserved:
        raise ConfigError(f"'{package}' has a meaning of its own here; {another}")
    for registry in (METHODS, DATASETS, ENCODERS):
        # Settings are written NAME.KEY whatever the kind, so no two kinds may share a name.
        for known in registry.names():
            if known.replace("-", "_").lower() == package:
                raise ConfigError(f"There is a {registry.kind} '{known}' already; {another}")
    found = importlib.util.find_spec(package)
    # A folder of the same name in the working directory is found too, without an origin.
    if found is not None and found.origin is not None:
        raise ConfigError(f"There is a Python module '{package}' already; {another}")
    try:
        version(names.distribution)
    except PackageNotFoundError:
        return
    raise ConfigError(f"A package '{names.distribution}' is installed already; {another}")


def _filled(kind: Kind, names: Names, folder: str) -> dict[str, str]:
    """Texts of all files by their place in the package's folder."""
    environment = _environment()
    files = {}
    for template in environment.list_templates():
        group, _, place = template.removesuffix(_ENDING).partition("/")
        if group in ("common", kind):
            place = re.sub("^package/", f"{names.package}/", place)
            filled = environment.get_template(template)
            files[place] = filled.render(kind=kind, folder=folder, **asdict(names))
    _check_class(files[f"{names.package}/{kind}.py"], names)
    return files


def _check_class(source: str, names: Names) -> None:
    """Refuse a name like `method`, whose class would hide the class that it is made from."""
    tree = ast.parse(source)
    bound = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound += [alias.asname or alias.name for alias in node.names]
    if bound.count(names.class_name) > 1:
        raise ConfigError(
            f"'{names.package}' would give a class {names.class_name}, and the file has one of "
            f"that name already; choose another name."
        )


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("lcd_plugin.plugins.scaffold"),
        autoescape=False,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
