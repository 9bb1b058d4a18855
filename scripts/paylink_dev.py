"""A running `paylink dev`, and a caller of it that is the real grpcurl."""

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

PARTS = ("grpc", "webhook", "operations", "sandbox")

START_SECONDS_MAX = 30
CALL_SECONDS_MAX = 10
WATCH_SECONDS_MAX = 30
LOG_CHARACTERS_MAX = 8000


class Broken(Exception):
    """A promise that was not kept."""


@contextmanager
def running(binary, home, verb=("dev",), parts=PARTS):
    """Starts `paylink dev`, or another verb, in a folder of its own and yields it with the
    addresses of its parts; ends it in any case. The system chooses the ports unless
    PAYLINK__GRPC__LISTEN and its like do."""
    environment = dict(os.environ)
    for part in PARTS:
        environment.setdefault(f"PAYLINK__{part.upper()}__LISTEN", "127.0.0.1:0")
    environment.setdefault("PAYLINK__STORAGE__URL", f"sqlite:{home}/paylink.db")
    log = home / "stderr.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [binary, *verb],
            cwd=home,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield process, _addresses(process, parts, home / "paylink.log")
    except Exception:
        end = log.read_text()[-LOG_CHARACTERS_MAX:]
        print("--- the log of paylink, its end\n" + end, file=sys.stderr)
        raise
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


class Api:
    """Calls a paylink by grpcurl, and remembers in `made` each method with its body."""

    def __init__(self, address):
        self.address = address
        self.made = []

    def text(self, method):
        """Returns what a verb of grpcurl prints, such as `list`."""
        self.made.append((method, None))
        return self._run([], method)

    def call(self, method, body):
        """Returns the answer of a method."""
        self.made.append((method, body))
        return json.loads(self._run(["-d", json.dumps(body)], method))

    def call_with_headers(self, method, body):
        """Returns the headers of the answer of a method, and the answer."""
        self.made.append((method, body))
        said = self._run(["-v", "-d", json.dumps(body)], method)
        headers = said.partition("Response headers received:\n")[2].partition("\n\n")[0]
        contents = said.partition("Response contents:\n")[2].partition("\nResponse trailers")[0]
        named = (line.split(": ", 1) for line in headers.splitlines())
        return {name: value for name, value in named}, json.loads(contents)

    def refusal(self, method, body):
        """Returns what grpcurl prints when the method refuses the body."""
        return self._refused(["-d", json.dumps(body)], method)

    def status(self, method, body):
        """Returns the `google.rpc.Status` by which the method refuses the body."""
        return json.loads(self._refused(["-format-error", "-d", json.dumps(body)], method))

    def watch(self, method, body):
        """Yields the messages of a stream until the caller has enough, or time is up."""
        self.made.append((method, body))
        command = self._command(["-d", json.dumps(body)], method, WATCH_SECONDS_MAX)
        stream = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        # grpcurl prints each message as JSON over several lines; a lone brace closes it.
        message = ""
        try:
            for line in stream.stdout:
                message += line
                if line.rstrip() in ("}", "{}"):
                    yield json.loads(message)
                    message = ""
        finally:
            stream.kill()
            stream.wait()

    def _run(self, arguments, method):
        done = self._grpcurl(arguments, method)
        if done.returncode != 0:
            raise Broken(f"{method} failed:\n{done.stderr}")
        return done.stdout

    def _refused(self, arguments, method):
        done = self._grpcurl(arguments, method)
        if done.returncode == 0:
            raise Broken(f"{method} accepted {arguments}: {done.stdout}")
        return done.stderr

    def _grpcurl(self, arguments, method):
        command = self._command(arguments, method, CALL_SECONDS_MAX)
        return subprocess.run(
            command, capture_output=True, text=True, timeout=CALL_SECONDS_MAX + 5, check=False
        )

    def _command(self, arguments, method, seconds_max):
        bounded = ["grpcurl", "-plaintext", "-max-time", str(seconds_max)]
        return [*bounded, *arguments, self.address, method]


def _addresses(process, parts, log):
    """Reads the addresses that the program prints, and goes on reading so that it never blocks;
    keeps what it reads in a file."""
    lines = queue.Queue()

    def read():
        with log.open("w", buffering=1) as kept:
            for line in process.stdout:
                kept.write(line)
                lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    found = {}
    deadline = time.monotonic() + START_SECONDS_MAX
    while set(found) != set(parts):
        try:
            line = lines.get(timeout=max(0, deadline - time.monotonic()))
        except queue.Empty:
            raise Broken(f"no address of {set(parts) - set(found)} was printed in time") from None
        if line is None:
            raise Broken(f"it ended by itself, with exit code {process.wait()}")
        printed = re.fullmatch(r"\s*(\w+)\s+(\S+:\d+)\s*", line)
        if printed and printed[1] in parts:
            found[printed[1]] = printed[2]
    return found
