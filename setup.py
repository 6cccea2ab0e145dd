"""The one step of a build that `setup.cfg` has no word for: the top-level manifest goes into the package."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

MANIFEST = "weights_manifest.json"


class BuildWithManifest(build_py):
    """`build_py`, after which the package has a copy of the manifest; one that is not copied reads the original."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            self.copy_file(MANIFEST, self._copy())

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return sorted({*super().get_outputs(include_bytecode), self._copy()})

    def get_output_mapping(self) -> dict[str, str]:
        return {**super().get_output_mapping(), self._copy(): MANIFEST}

    def _copy(self) -> str:
        return str(Path(self.build_lib, "pylon_zoo", "weights", MANIFEST))


setup(cmdclass={"build_py": BuildWithManifest})
