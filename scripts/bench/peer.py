"""peer.py: measures rows of one module with python3's multiprocessing, on request.

usage: python3 peer.py MODULE

Each line "ROW [ARGUMENT...] COUNT" of its input is answered by a line: what the function ROW of
the module returns, mostly seconds an operation; "-" if it failed. "quit" ends it.
"""
import importlib
import os
import sys
import traceback


def answer(module, line):
    name, *arguments = line.split()
    try:
        arguments = [int(a) if a.isdigit() else a for a in arguments]
        return "%.12f" % getattr(module, name)(*arguments)
    except Exception:  # the row stays empty, the others are measured
        traceback.print_exc()
        return "-"


def main():
    module = importlib.import_module(sys.argv[1])
    os.chdir("/")  # a spawned child looks here first, and must not find our multiprocessing.so
    for line in iter(sys.stdin.readline, ""):
        if line == "quit\n":
            break
        print(answer(module, line), flush=True)


if __name__ == "__main__":
    main()
