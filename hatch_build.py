"""Compiles the package when it is installed in place, as pip compiles what it installs anywhere else.

Where Python is told to write no bytecode (`PYTHONDONTWRITEBYTECODE`, usual in containers), every start would compile
every module anew, which is half of what a small capture takes.
"""

from __future__ import annotations

from compileall import compile_dir
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileInPlace(BuildHookInterface[Any]):
    """Called by hatchling, which finds it by its base class."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Compile before an editable wheel is built."""
        if version == "editable":
            compile_dir(Path(self.root, "analyzer"), quiet=2)
