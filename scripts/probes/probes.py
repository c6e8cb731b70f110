"""probes.py: the twenty faults of probes.lua, met by Python's own multiprocessing

usage: python3 scripts/probes/probes.py NAME

The code is what a tutorial teaches, and the same as in probes.lua; what
differs is told in a comment. Prints "goes on: ..." or "wrong: ...", or hangs.
"""
# MIT licence, see LICENSE

import os
import signal
import sys
import time
import multiprocessing as mp
import multiprocessing.managers as managers
import queue as queues

probes = {}


def probe(function):
    probes[function.__name__] = function
    return function


def start(target, *args):
    p = mp.Process(target=target, args=args, daemon=True)
    p.start()
    return p


def kill(p):
    p.kill()
    p.join()


def asleep(p):
    """Waits until the process sleeps in the call that it has announced."""
    calm = 0
    while calm < 3:
        time.sleep(0.05)
        with open("/proc/%d/stat" % p.pid) as stat:
            calm = calm + 1 if ") S" in stat.read() else 0


def hold(ready, f, args):
    f(*args)
    ready.set()
    time.sleep(100)


def start_holding(f, *args):
    """A process that calls f(*args), says so, and stays."""
    ready = mp.Event()
    p = start(hold, ready, f, args)
    ready.wait()
    return p


def wait(ready, f, args):
    ready.set()
    f(*args)


def start_waiting(f, *args):
    """A process that says so and then calls f(*args), which waits."""
    ready = mp.Event()
    p = start(wait, ready, f, args)
    ready.wait()
    asleep(p)
    return p


class Wrong(Exception):
    pass


def expect(what, wrong):
    if not what:
        raise Wrong(wrong)


# pools -----------------------------------------------------------------------

def die(x):
    if x == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def name_of(f, *args):
    try:
        f(*args)
        return "no error"
    except Exception as e:
        return type(e).__name__


@probe
def worker_killed_in_map():
    with mp.Pool(2) as pool:
        what = name_of(pool.map, die, [1, 2, 3, 4, 5, 6, 7, 8])
        expect(pool.apply(abs, (-3,)) == 3, "the pool is of no use any more")
        return what + "; the pool works on"


class Failure(Exception):
    """An error that is sent with one of the two arguments it needs."""

    def __init__(self, code, text):
        super().__init__(code)
        self.text = text.upper()


def fail():
    raise Failure(7, "no disk")


@probe
def exception_not_rebuilt():
    with mp.Pool(2) as pool:
        what = name_of(pool.apply, fail)
        expect(pool.apply(abs, (-3,)) == 3, "the pool is of no use any more")
        return what + "; the pool works on"


@probe
def exit_in_a_task():  # sys.exit would be an exception: this is os.exit
    with mp.Pool(2) as pool:
        what = name_of(pool.apply, os._exit, (3,))
        expect(pool.apply(abs, (-3,)) == 3, "the pool is of no use any more")
        return what + "; the pool works on"


def bad_callback(_):
    raise RuntimeError("in the callback")


@probe
def callback_raises():
    with mp.Pool(2) as pool:
        r = pool.apply_async(abs, (-3,), callback=bad_callback)
        expect(r.get() == 3, "no result")
        expect(pool.apply(abs, (-4,)) == 4, "no second result")
        return "reported; the pool works on"


@probe
def terminate_after_a_kill():
    pool = mp.Pool(2)
    os.kill(pool.apply(os.getpid), signal.SIGKILL)
    pool.terminate()
    pool.join()
    return "it ends"


# locks -----------------------------------------------------------------------

@probe
def lock_holder_killed():
    lock = mp.Lock()
    kill(start_holding(lock.acquire))
    expect(lock.acquire(True, 3), "it stays locked for ever")
    return "acquire gets it"


@probe
def semaphore_permit_lost():
    semaphore = mp.BoundedSemaphore(2)
    kill(start_holding(semaphore.acquire))
    expect(semaphore.acquire(True, 3) and semaphore.acquire(True, 3),
           "the permit is lost for good")
    return "both permits are there"


@probe
def waiter_killed_before_set():
    event = mp.Event()
    kill(start_waiting(event.wait))
    event.set()
    return "set returns"


def wait_for_condition(condition):
    condition.acquire()
    condition.wait()


@probe
def waiter_killed_before_notify():
    condition = mp.Condition()
    kill(start_waiting(wait_for_condition, condition))
    condition.acquire()
    condition.notify()
    condition.release()
    return "notify returns"


@probe
def barrier_with_a_dead_party():
    barrier = mp.Barrier(2)
    kill(start_waiting(barrier.wait))
    began = time.monotonic()
    what = name_of(barrier.wait, 1)
    took = time.monotonic() - began
    expect(took >= 0.9, "it went on with a dead one")
    return "%s after %.0f s, as asked" % (what, took)


def hold_value(value):
    value.get_lock().acquire()


@probe
def value_lock_holder_killed():
    value = mp.Value("i", 0)
    kill(start_holding(hold_value, value))
    value.value = 3
    expect(value.value == 3, "not written")
    return "the value is written"


# queues ----------------------------------------------------------------------

@probe
def consumer_killed_in_get():
    queue = mp.Queue()
    kill(start_waiting(queue.get))
    queue.put("job")
    try:
        expect(queue.get(timeout=3) == "job", "not what was put")
    except queues.Empty:
        raise Wrong("Empty, though a message is there")
    return "the next one gets it"


def put_much(queue, ready):
    big = "x" * (1 << 20)
    queue.put("first")
    ready.set()
    for _ in range(200):
        queue.put(big)


def killed_in_put(queue):
    """A process that is killed in the middle of putting 200 MB."""
    ready = mp.Event()
    p = start(put_much, queue, ready)
    ready.wait()
    time.sleep(0.1)
    kill(p)
    expect(queue.get() == "first", "the first message is lost")


@probe
def producer_killed_in_put():
    queue = mp.Queue()
    killed_in_put(queue)
    while True:
        try:
            message = queue.get_nowait()
        except queues.Empty:
            break
        expect(len(message) == 1 << 20, "a message is cut")
    return "what was put is there whole"


@probe
def put_after_a_killed_producer():
    queue = mp.Queue()
    killed_in_put(queue)
    p = start(queue.put, "next")
    p.join()
    while queue.get(timeout=3) != "next":
        pass
    return "the next message arrives"


def put_megabyte(queue):
    queue.put("x" * (1 << 20))


@probe
def join_before_draining():
    queue = mp.Queue()
    p = start(put_megabyte, queue)
    p.join()
    expect(len(queue.get()) == 1 << 20, "not what was put")
    return "join returns, the message is there"


@probe
def joinable_worker_killed():
    queue = mp.JoinableQueue()
    queue.put("job")
    kill(start_holding(queue.get))
    return name_of(queue.join)


@probe
def list_100000_deep():  # put would only print the error of its thread
    a, b = mp.Pipe()
    deep = []
    for _ in range(100000):
        deep = [deep]
    try:
        b.send(deep)
    except RecursionError as e:
        return type(e).__name__
    got, depth = a.recv(), 0
    while got:
        got, depth = got[0], depth + 1
    expect(depth == 100000, "it is cut")
    return "it is passed"


# managers --------------------------------------------------------------------

class Counter:
    n = 0

    def pid(self):
        return os.getpid()

    def add(self):
        self.n += 1
        return self.n


class Manager(managers.BaseManager):
    pass


@probe
def manager_killed():
    Manager.register("Counter", Counter)
    manager = Manager()
    manager.start()
    counter = manager.Counter()
    expect(counter.add() == 1, "no counter")
    os.kill(counter.pid(), signal.SIGKILL)
    return name_of(counter.add)


@probe
def manager_lock_holder_killed():
    manager = mp.Manager()
    lock = manager.Lock()
    kill(start_holding(lock.acquire))
    expect(lock.acquire(True, 3), "it stays locked for ever")
    return "acquire gets it"


# processes -------------------------------------------------------------------

@probe
def sigchld_ignored():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    p = start(os._exit, 3)
    p.join(3)
    expect(not p.is_alive(), "a finished child is said to be alive")
    expect(p.exitcode == 3, "the exit code is lost")
    return "exitcode 3"


def main():
    if len(sys.argv) < 2:
        print("\n".join(probes))
        return
    try:
        print("goes on: " + probes[sys.argv[1]](), flush=True)
    except Wrong as e:
        print("wrong: " + str(e), flush=True)
    except Exception as e:
        print("wrong: %s: %s" % (type(e).__name__, e), flush=True)


if __name__ == "__main__":
    main()
