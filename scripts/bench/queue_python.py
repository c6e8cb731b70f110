"""python3's side of queue.lua: prints seconds a message, or a round trip."""
import multiprocessing as mp
import sys
import time

RECORD = {"id": 12345, "name": "a small record", "tags": ["x", "y", "z"], "score": 0.5}
WORK = {"int": (60000, 42), "record": (40000, RECORD), "big": (20, "x" * (16 << 20)),
        "batch": (60000, 42)}


def putter(q, ready, go, n, value):
    ready.release()
    go.acquire()
    for _ in range(n):
        q.put(value)


def getter(q, ready, go, n):
    ready.release()
    go.acquire()
    for _ in range(n):
        q.get()


def through_queue(kind, producers, consumers):
    n, value = WORK[kind]
    q = mp.Queue()
    ready, go = mp.Semaphore(0), mp.Semaphore(0)
    ps = [mp.Process(target=putter, args=(q, ready, go, n // producers, value))
          for _ in range(producers)]
    ps += [mp.Process(target=getter, args=(q, ready, go, n // consumers))
           for _ in range(consumers)]
    for p in ps:
        p.start()
    for _ in ps:
        ready.acquire()
    start = time.monotonic()
    for _ in ps:
        go.release()
    for p in ps:
        p.join()
    return (time.monotonic() - start) / n


def echo(conn, n):
    for _ in range(n):
        conn.send(conn.recv())


def round_trip(what):
    value = 42 if what == "int" else "x" * int(what)
    n = 200 if what == "1048576" else 10000
    a, b = mp.Pipe()
    p = mp.Process(target=echo, args=(b, n + 10))
    p.start()
    for _ in range(10):
        a.send(value)
        a.recv()
    start = time.monotonic()
    for _ in range(n):
        a.send(value)
        a.recv()
    seconds = (time.monotonic() - start) / n
    p.join()
    return seconds


if __name__ == "__main__":
    mp.set_start_method("fork")
    words = sys.argv[1].split()
    if words[0] == "pipe":
        print("%.9f" % round_trip(words[1]))
    else:
        print("%.9f" % through_queue(words[0], int(words[1]), int(words[2])))
