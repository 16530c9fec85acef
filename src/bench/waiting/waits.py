# One of Python's clients: reads what to do as a line of JSON, and writes what it found as another.
import json
import sys
import time

order = json.loads(sys.stdin.readline())
if order["model"] == "Python gevent":
    from gevent import monkey

    monkey.patch_all()

import http.client
import resource
import threading

urls = [(address.rsplit(":", 1)[0], int(address.rsplit(":", 1)[1])) for address in order["addresses"]]
block = order["block"]["secs"] + order["block"]["nanos"] / 1e9
took, failed, blocked = [], {}, threading.Lock()
limit = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))


def status(key):
    with open("/proc/self/status") as lines:
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key + ":")), 0)


def stacks():
    with open("/proc/meminfo") as lines:
        return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("KernelStack:")), 0)


def use(outcome, seconds):
    """What is done with each answer; for the first it blocks, if that was ordered."""
    if block and blocked.acquire(blocking=False):
        sleep(block)
    if outcome == 200:
        took.append(seconds)
    else:
        failed[str(outcome)] = failed.get(str(outcome), 0) + 1


def fetch(number):
    began = time.perf_counter()
    try:
        connection = http.client.HTTPConnection(*urls[number % len(urls)], timeout=60)
        connection.request("GET", order["path"], headers={"Connection": "close"})
        response = connection.getresponse()
        response.read()
        connection.close()
        outcome = response.status
    except OSError as error:
        outcome = type(error).__name__
    use(outcome, time.perf_counter() - began)


def by_threads():
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(order["at_once"]) as pool:
        list(pool.map(fetch, range(order["total"])))


def by_gevent():
    from gevent.pool import Pool

    Pool(order["at_once"]).map(fetch, range(order["total"]))


def by_aiohttp():
    import asyncio

    import aiohttp

    async def one(session, number):
        began = time.perf_counter()
        host, port = urls[number % len(urls)]
        try:
            async with session.get(f"http://{host}:{port}{order['path']}") as response:
                await response.read()
                outcome = response.status
        except (OSError, aiohttp.ClientError, asyncio.TimeoutError) as error:
            outcome = type(error).__name__
        use(outcome, time.perf_counter() - began)

    async def everything():
        connector = aiohttp.TCPConnector(limit=order["at_once"], force_close=True)
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            await asyncio.gather(*(one(session, number) for number in range(order["total"])))

    asyncio.run(everything())


if order["model"] == "Python gevent":
    from gevent.monkey import get_original

    # What really blocks, which gevent would replace.
    sleep, run = get_original("time", "sleep"), by_gevent
elif order["model"] == "Python aiohttp":
    sleep, run = time.sleep, by_aiohttp
else:
    sleep, run = time.sleep, by_threads
before, stacks_before, most_stacks, is_over = status("VmRSS"), stacks(), 0, False


def watch():
    global most_stacks
    while not is_over:
        most_stacks = max(most_stacks, stacks())
        time.sleep(0.02)


watcher = threading.Thread(target=watch)
if order["watches"]:
    watcher.start()
began, processor = time.perf_counter(), time.process_time()
run()
wall, processor, is_over = time.perf_counter() - began, time.process_time() - processor, True
if order["watches"]:
    watcher.join()
took.sort()


def at(share):
    return took[min(int(share * len(took)), len(took) - 1)] if took else 0


found = {"start": 0, "wall": wall, "processor": processor, "p50": at(0.5), "p99": at(0.99), "answered": len(took), "failed": failed}
found["resident"], found["stacks"] = status("VmHWM") - before, max(most_stacks - stacks_before, 0)
print(json.dumps(found))
