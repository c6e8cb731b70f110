"""python3's side of queue.lua: seconds a message, or a round trip."""
import multiprocessing as mp
import time

RECORD = {"id": 12345, "name": "a small record", "tags": ["x", "y", "z"], "score": 0.5}
deep = mp.Queue()
depth = 0


def value(kind):
    """An integer, a record, or a string of so many bytes."""
    return {"int": 42, "record": RECORD}.get(kind) or "x" * kind


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


def queue(kind, pairs, n):
    q = mp.Queue()
    ready, go = mp.Semaphore(0), mp.Semaphore(0)
    ps = [mp.Process(target=f, args=(q, ready, go, n // pairs, *more))
          for f, more in [(putter, (value(kind),)), (getter, ())] * pairs]
    for p in ps:
        p.start()
    for _ in ps:
        ready.acquire()
    start = time.monotonic()
    for _ in ps:
        go.release()
    for p in ps:
        p.join()
    return (time.monotonic() - start) / (n // pairs * pairs)


def echo(conn, n):
    for _ in range(n):
        conn.send(conn.recv())


def pipe(kind, n):
    x = value(kind)
    a, b = mp.Pipe()
    p = mp.Process(target=echo, args=(b, n + 1))
    p.start()
    a.send(x)
    a.recv()
    start = time.monotonic()
    for _ in range(n):
        a.send(x)
        a.recv()
    seconds = (time.monotonic() - start) / n
    p.join()
    return seconds


def at_depth(messages, n):
    """A put and a get, with so many messages in the queue."""
    global depth
    deep.cancel_join_thread()
    for _ in range(depth, messages):
        deep.put(42)
    depth = max(depth, messages)
    start = time.monotonic()
    for _ in range(n):
        deep.put(42)
        deep.get()
    return (time.monotonic() - start) / n
