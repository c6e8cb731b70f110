"""python3's side of process.lua: seconds a process."""
import multiprocessing as mp
import time

ballast = []


def empty():
    pass


def start(method, at_once, n):
    ctx = mp.get_context(method)
    began = time.monotonic()
    for _ in range(0, n, at_once):
        ps = [ctx.Process(target=empty) for _ in range(at_once)]
        for p in ps:
            p.start()
        for p in ps:
            p.join()
    return (time.monotonic() - began) / n


def heap(method, megabytes, n):
    """start() with so many MB of small objects in the parent."""
    ballast.extend((i, str(i)) for i in range(len(ballast), 8000 * megabytes))
    return start(method, 1, n)
