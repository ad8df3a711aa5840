"""Builds the package: adds the library that `make lib` made, its notices, and the stubs of what its catalog lists.

Everything else is in pyproject.toml.
"""

import os
import runpy
import shutil

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.normpath(os.path.join(HERE, os.pardir, os.pardir))
LIBRARY = os.path.join(ROOT, "dist", "lib", "libnnkit.so")
NOTICES = (os.path.join(ROOT, "LICENSE"), os.path.join(ROOT, "packaging", "THIRD-PARTY.txt"))


class BuildWithLibrary(build_py):
    """Puts the library and the stubs made from it beside the modules."""

    def run(self):
        super().run()
        if self.editable_mode:
            return  # The source tree is used as it is, with NNKIT_LIBRARY.
        package = os.path.join(self.build_lib, "nnkit")
        folder = os.path.join(package, "lib")
        # A folder that an earlier build left must not pass for this one's.
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.isfile(LIBRARY):
            raise SystemExit(
                f"{LIBRARY} is not there, and the package carries it. In the folder of NNKit's source, type:\n\n"
                "    make lib && pip install ./bindings/python\n"
            )
        os.makedirs(folder)
        for file in (LIBRARY, *NOTICES):
            shutil.copy2(file, folder)
        runpy.run_path(os.path.join(HERE, "type_stubs.py"))["write_stubs"](LIBRARY, package)


class PlatformWheel(bdist_wheel):
    """A wheel for this platform and any Python 3: the library knows nothing of Python."""

    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


class WithLibrary(Distribution):
    """A distribution with a binary inside."""

    def has_ext_modules(self):
        return True


setup(cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel}, distclass=WithLibrary)
