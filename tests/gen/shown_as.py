"""Loads a Python file so that TorchScript records another path for it.

Archives keep the file name of every source line. Committed archives and goldens must not depend on where the project was
checked out, so their models are loaded as if they stood in /src.
"""
import linecache
import sys
import types


def load(path, shown):
    """The module in file `path`, compiled as if its file were `shown`; importable under its base name from then on."""
    with open(path) as f:
        text = f.read()
    name = shown.rsplit("/", 1)[-1].removesuffix(".py")
    module = types.ModuleType(name)
    module.__file__ = shown
    linecache.cache[shown] = (len(text), None, text.splitlines(True), shown)
    sys.modules[name] = module
    exec(compile(text, shown, "exec"), module.__dict__)
    return module
