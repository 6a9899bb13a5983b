"""What CPython's multiprocessing costs. Words say what is done; each line of input is an amount, 0 the end.

Answers with seconds, and with other figures in nanoseconds behind their names.
"""

import ctypes
import multiprocessing as mp
import os
import sys
import time

CPUS = sorted(os.sched_getaffinity(0))


def take_place(place, seat):
    if place == "each":
        os.sched_setaffinity(0, {CPUS[seat % len(CPUS)]})
    elif place == "one":
        os.sched_setaffinity(0, {CPUS[0]})


def worker(place, seat, line, work, args):
    take_place(place, seat)
    while True:
        n = line.recv()
        if n is None:
            return
        start = time.perf_counter()  # the monotonic clock, the same in all processes
        also = work(n, *args)
        line.send((start, time.perf_counter(), also))


def crew(place, parts):
    """Starts a worker for each part, and returns what asks them for a round."""
    lines = []
    for seat, (work, args) in enumerate(parts):
        here, there = mp.Pipe()
        mp.Process(target=worker, args=(place, seat, there, work, args), daemon=True).start()
        lines.append(here)

    def turn(n):
        for line in lines:
            line.send(n)
        told = [line.recv() for line in lines]
        seconds = max(end for _, end, _ in told) - min(start for start, _, _ in told)
        return seconds, next((also for _, _, also in told if also), "")

    return turn


def timed(n, one):
    times = []
    for _ in range(n):
        start = time.perf_counter_ns()
        one()
        times.append(time.perf_counter_ns() - start)
    times.sort()
    return f"p50 {times[len(times) // 2]} p99 {times[len(times) * 99 // 100]}"


def put_all(n, put, message):
    for _ in range(n):
        put(message)


def get_all(n, get):
    for _ in range(n):
        get()


def ping(n, put, get, message):
    def one():
        put(message)
        get()

    return timed(n, one)


def pong(n, put, get):
    for _ in range(n):
        put(get())


def message_of(size):
    return 7 if size == 8 else bytes(size)


def queue(pairs, size):
    size = int(size)
    q = mp.Queue(min(1024, (16 << 20) // size))
    parts = []
    for _ in range(int(pairs)):
        parts += [(put_all, (q.put, message_of(size))), (get_all, (q.get,))]
    return crew("each", parts)


def queue_trip(place, size):
    there, back = mp.Queue(16), mp.Queue(16)
    message = message_of(int(size))
    return crew(place, [(ping, (there.put, back.get, message)), (pong, (back.put, there.get))])


def pipe(size):
    read, write = mp.Pipe(duplex=False)
    message = bytes(int(size))
    return crew("each", [(put_all, (write.send_bytes, message)), (get_all, (read.recv_bytes,))])


def pipe_trip(place, size):
    a, b = mp.Pipe()
    message = bytes(int(size))
    parts = [(ping, (a.send_bytes, a.recv_bytes, message)), (pong, (b.send_bytes, b.recv_bytes))]
    return crew(place, parts)


def hold(n, lock):
    for _ in range(n):
        lock.acquire()
        lock.release()


def lock(workers):
    lock = mp.Lock()
    return crew("each", [(hold, (lock,))] * int(workers))


def semaphore(workers):
    semaphore = mp.Semaphore(1)
    return crew("each", [(hold, (semaphore,))] * int(workers))


def turns_ping(n, a, b):
    def one():
        a.release()
        b.acquire()

    return timed(n, one)


def turns_pong(n, a, b):
    for _ in range(n):
        a.acquire()
        b.release()


def semaphore_trip(place):
    a, b = mp.Semaphore(0), mp.Semaphore(0)
    return crew(place, [(turns_ping, (a, b)), (turns_pong, (a, b))])


def event_ping(n, a, b):
    def one():
        a.set()
        b.wait()
        b.clear()

    return timed(n, one)


def event_pong(n, a, b):
    for _ in range(n):
        a.wait()
        a.clear()
        b.set()


def event(place):
    a, b = mp.Event(), mp.Event()
    return crew(place, [(event_ping, (a, b)), (event_pong, (a, b))])


def condvar_turns(n, condition, turn, mine):
    def one():
        with condition:
            while turn.value % 2 != mine:
                condition.wait()
            turn.value += 1
            condition.notify()

    if mine == 0:
        return timed(n, one)
    for _ in range(n):
        one()


def condvar(place):
    condition, turn = mp.Condition(), mp.RawValue(ctypes.c_int64, 0)
    parts = [(condvar_turns, (condition, turn, mine)) for mine in (0, 1)]
    return crew(place, parts)


def meet(n, barrier):
    for _ in range(n):
        barrier.wait()


def barrier(workers):
    barrier = mp.Barrier(int(workers))
    return crew("each", [(meet, (barrier,))] * int(workers))


def nothing():
    pass


def start(method, ballast):
    context = mp.get_context(method)
    kept = bytearray(int(ballast))
    kept[::4096] = b"x" * len(kept[::4096])

    def turn(n, kept=kept):
        begin = time.perf_counter()
        for _ in range(n):
            process = context.Process(target=nothing)
            process.start()
            process.join()
        return time.perf_counter() - begin, ""

    turn(1)  # starts the fork server
    return turn


def square(x):
    return x * x


def same(x):
    return x


def busy(nanos):
    end = time.perf_counter_ns() + nanos
    while time.perf_counter_ns() < end:
        pass


def pool_of_two():
    pool = mp.Pool(2)
    pool.map(square, range(100))
    return pool


def pool_apply():
    pool = pool_of_two()

    def turn(n):
        start = time.perf_counter()
        also = timed(n, lambda: pool.apply(square, (7,)))
        return time.perf_counter() - start, also

    return turn


def pool_map(chunk, task, item):
    pool = pool_of_two()
    chunk, item = int(chunk) or None, int(item)
    function = {"square": square, "busy": busy}[task]

    def turn(n):
        start = time.perf_counter()
        assert len(pool.map(function, [item] * n, chunksize=chunk)) == n
        return time.perf_counter() - start, ""

    return turn


def pool_bytes(size):
    pool, item = pool_of_two(), bytes(int(size))

    def turn(n):
        start = time.perf_counter()
        for _ in range(n):
            assert len(pool.apply(same, (item,))) == len(item)
        return time.perf_counter() - start, ""

    return turn


def pool_memory():
    """Bytes take the place of nanoseconds."""
    pool = pool_of_two()

    def turn(n):
        shares = []
        for worker in pool._pool:
            with open(f"/proc/{worker.pid}/smaps_rollup") as lines:
                shares += [int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")]
        return sum(shares) / len(shares) / 1e9, ""

    return turn


def main():
    what, *words = sys.argv[1:]
    turn = globals()[what](*words)
    print("ready", flush=True)
    for line in iter(sys.stdin.readline, "0\n"):
        if not line:
            break
        seconds, also = turn(int(line))
        print(f"{seconds:.9f} {also}".strip(), flush=True)
    # Not by the way out of the interpreter, which waits for feeder threads and helpers.
    for child in mp.active_children():
        child.kill()
    os._exit(0)


if __name__ == "__main__":
    main()
