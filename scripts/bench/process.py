"""python3's side of process.lua: prints seconds a process."""
import multiprocessing as mp
import sys
import time


def empty():
    pass


def start_join(method, count, at_once):
    ctx = mp.get_context(method)
    start = time.monotonic()
    for _ in range(0, count, at_once):
        ps = [ctx.Process(target=empty) for _ in range(at_once)]
        for p in ps:
            p.start()
        for p in ps:
            p.join()
    return (time.monotonic() - start) / count


def with_heap():
    global ballast
    ballast = [(i, str(i)) for i in range(1600000)]
    return start_join("fork", 30, 1)


ROWS = {
    "fork": lambda: start_join("fork", 200, 1),
    "fork 50": lambda: start_join("fork", 200, 50),
    "fork heap": with_heap,
    "forkserver": lambda: start_join("forkserver", 60, 1),
    "spawn": lambda: start_join("spawn", 12, 1),
}

if __name__ == "__main__":
    print("%.9f" % ROWS[sys.argv[1]]())
