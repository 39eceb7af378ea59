"""What a stranger does with an installed tree: the header, pkg-config and either library make a program that runs.

    test_install.py BUILD EXAMPLE.c MODEL CC...

SPDX-License-Identifier: Apache-2.0
"""
import os
import subprocess
import sys
import tempfile

BUILD, EXAMPLE, MODEL, *CC = sys.argv[1:]


def run(*args, **kw):
    r = subprocess.run(args, capture_output=True, text=True, **kw)
    if r.returncode != 0:
        sys.exit(f"{' '.join(args)}: exit {r.returncode}\n{r.stdout}{r.stderr}")
    return r.stdout


def found(root, name):
    for folder, _, files in os.walk(root):
        if name in files:
            return folder
    sys.exit(f"{name} was not installed")


def pkg_config(root, *args):
    env = {**os.environ, "PKG_CONFIG_SYSROOT_DIR": root}
    env["PKG_CONFIG_PATH"] = ":".join(filter(None, [found(root, "carat.pc"), env.get("PKG_CONFIG_PATH")]))
    return run("pkg-config", *args, "carat", env=env).split()


def answer(root, program, *flags, libraries=""):
    """Compiles the example with what pkg-config says, nothing else, and runs it."""
    run(*CC, EXAMPLE, "-o", program, *pkg_config(root, "--cflags", *flags), *pkg_config(root, "--libs", *flags))
    return run(program, MODEL, "a red star", env={**os.environ, "LD_LIBRARY_PATH": libraries})


with tempfile.TemporaryDirectory() as root:
    run("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", root)
    for name in "carat", "carat.h", "carat.pc", "carat.1", "libcarat.a":
        found(root, name)
    shared = answer(root, root + "/shared", libraries=found(root, "libcarat.so"))
    assert shared.strip(), "no answer"
    for folder, _, files in os.walk(root):
        for name in files:
            if name.startswith("libcarat.so"):
                os.remove(os.path.join(folder, name))
    assert answer(root, root + "/static", "--static") == shared, "another answer from the static library"
    print(f"shared and static: {shared.strip()[:60]!r}")
