"""Builds the compiled modules: every .pyx below tcpmirror/. All else about the package stands in setup.cfg."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

JOBS = os.cpu_count() or 1
FLAGS = ["-O3", "-fno-strict-aliasing", "-Wno-unused-function"]
modules = [
    Extension(".".join(path.with_suffix("").parts), [str(path)], extra_compile_args=FLAGS)
    for path in sorted(Path("tcpmirror").rglob("*.pyx"))
]
setup(
    ext_modules=cythonize(
        modules,
        nthreads=JOBS,
        compiler_directives={"language_level": 3, "embedsignature": True},
        quiet=True,
    ),
    options={"build_ext": {"parallel": JOBS}},
)
