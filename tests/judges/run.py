"""Lets Stripe's own programs judge the sandbox: its SDKs for Python and Node and its command line
follow the guide to payment links, and every answer and every event on the way is held against
Stripe's description.

    just judges
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import answers
import cli
import further
import guide
import recorder
from api_docs import buyer

HERE = Path(__file__).resolve().parent
START_LINE = "sandbox "
NODE_SECONDS_MAX = 60


def main():
    parser = argparse.ArgumentParser(description="Lets Stripe's own programs judge the sandbox.")
    parser.add_argument("paylink", help="the program")
    parser.add_argument("modules", type=Path, help="the folder where npm installed package.json")
    options = parser.parse_args()
    held = answers.Answers()
    exchanges, events = [], []
    with _sandbox(options.paylink) as sandbox, recorder.recorder(sandbox, exchanges) as api:
        for name, judge in (("Python SDK", _python), ("Node SDK", _node), ("CLI", _cli)):
            before = len(exchanges)
            judge(api, options.modules, events)
            print(f"ok  the {name} followed the guide in {len(exchanges) - before} requests")
    for method, path, status, headers, body in exchanges:
        if headers["Content-Type"] != "application/json" or "Request-Id" not in headers:
            held.wrong.append(f"{method} {path}: the headers are {headers}")
        held.answer(method, path, status, json.loads(body))
    for body in events:
        held.event(json.loads(body))
    if held.wrong:
        sys.exit("not as described:\n  " + "\n  ".join(sorted(set(held.wrong))))
    if missing := held.missing():
        sys.exit("no judge asked for:\n  " + "\n  ".join(missing))
    print(f"ok  {held.checked} answers and events are as described, of every endpoint")


def _python(api, _modules, events):
    with recorder.receiver() as (hook, receiver):
        guide.follow(api, hook, receiver, buyer.pay)
        further.follow(api, buyer.pay)
        events += receiver.bodies


def _node(api, modules, _events):
    with recorder.buyer(lambda wish: buyer.pay(wish["url"], card_number=wish["card"])) as paying:
        done = subprocess.run(
            ["node", HERE / "guide.mjs", api, paying],
            env={**os.environ, "JUDGES": str(modules.resolve())},
            timeout=NODE_SECONDS_MAX,
            check=False,
        )
    if done.returncode != 0:
        sys.exit("the Node SDK did not follow the guide")


def _cli(api, modules, _events):
    with tempfile.TemporaryDirectory() as home:
        program = modules.resolve() / "node_modules/.bin/stripe"
        cli.follow(cli.Cli(program, api, home), buyer.pay)


@contextmanager
def _sandbox(program):
    """Runs a sandbox at a port that the system chooses."""
    environment = {**os.environ, "PAYLINK__SANDBOX__LISTEN": "127.0.0.1:0"}
    process = subprocess.Popen(
        [program, "sandbox"], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        for line in process.stdout:
            if line.startswith(START_LINE):
                yield line.removeprefix(START_LINE).strip()
                return
        sys.exit("the sandbox ended by itself")
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
