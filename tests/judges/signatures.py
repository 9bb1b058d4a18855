"""Holds paylink's check of webhook signatures against Stripe's own libraries: what paylink takes,
the SDKs for Python and Node must take as well. It may only be stricter.

    just signatures
"""

import argparse
import hashlib
import hmac
import http.client
import json
import os
import random
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import stripe

HERE = Path(__file__).resolve().parent
SECRET = "whsec_judge"
TOLERANCE_SECS = 300
START_LINE = "webhook "
NODE_SECONDS_MAX = 60
BODY = json.dumps({"id": "evt_judge", "object": "event", "type": "a.b", "livemode": False})


def main():
    parser = argparse.ArgumentParser(description="Judges the check of webhook signatures.")
    parser.add_argument("paylink", help="the program")
    parser.add_argument("modules", type=Path, help="the folder where npm installed package.json")
    parser.add_argument("--count", type=int, default=5000, help="how many headers")
    parser.add_argument("--seed", type=int, default=1, help="which headers")
    options = parser.parse_args()
    headers = list(_headers(random.Random(options.seed), options.count))
    with _paylink(options.paylink) as address:
        ours = _asked(address, headers)
    python = [_python(header) for header in headers]
    node = _node(headers, options.modules)
    for header, taken, *others in zip(headers, ours, python, node, strict=True):
        if taken and not all(others):
            sys.exit(f"paylink takes what Stripe's libraries do not: {header!r}")
    if not any(ours):
        sys.exit("paylink takes nothing at all")
    stricter = sum(p and n and not o for o, p, n in zip(ours, python, node, strict=True))
    print(
        f"ok  of {len(headers)} headers paylink takes {sum(ours)}, Python {sum(python)}, "
        f"Node {sum(node)}; {stricter} that both take are too loose for paylink"
    )


def _headers(dice, count):
    """Makes headers that are right, nearly right and wrong."""
    for _ in range(count):
        at = int(time.time()) + dice.choice([0, 0, 0, -200, -400, 400, 10**6])
        right = _signature(at)
        wrong = "".join(dice.choice("0123456789abcdef") for _ in range(64))
        parts = [f"t={at}", f"v1={right}"]
        for _ in range(dice.randrange(4)):
            change = dice.randrange(12)
            if change == 0:
                parts.append(f"v1={wrong}")
            elif change == 1:
                parts.insert(0, f"v0={wrong}")
            elif change == 2:
                parts[-1] = parts[-1].upper()
            elif change == 3:
                dice.shuffle(parts)
            elif change == 4:
                parts.append(f"t={at + dice.choice([0, 1, 10**6])}")
            elif change == 5:
                parts = [
                    part.replace("v1=", dice.choice(["v2=", "v1 =", " v1=", "v1=="]))
                    for part in parts
                ]
            elif change == 6:
                parts.append(dice.choice(["", "x", "=", "v1", "t", "v1=", "t="]))
            elif change == 7:
                parts = [
                    part.replace("t=", dice.choice(["t= ", "t=0", "t=+", "t=-", "T="]))
                    for part in parts
                ]
            elif change == 8:
                at_part = dice.randrange(len(parts))
                parts[at_part] = parts[at_part][: dice.randrange(len(parts[at_part]) + 1)]
            elif change == 9:
                parts = [part + dice.choice(["", " ", "\t", "0"]) for part in parts]
            elif change == 10:
                parts += [f"v1={wrong}"] * dice.randrange(20)
        header = dice.choice([",", ",", ",", ", ", ";", ",,"]).join(parts)
        if dice.randrange(4) == 0 and header:
            at_byte = dice.randrange(len(header))
            header = header[:at_byte] + chr(dice.randrange(33, 127)) + header[at_byte + 1 :]
        yield header.strip()


def _signature(at):
    return hmac.new(SECRET.encode(), f"{at}.{BODY}".encode(), hashlib.sha256).hexdigest()


def _python(header):
    try:
        return stripe.WebhookSignature.verify_header(BODY, header, SECRET, TOLERANCE_SECS)
    except (stripe.SignatureVerificationError, ValueError):
        return False


def _node(headers, modules):
    asked = {"body": BODY, "secret": SECRET, "tolerance": TOLERANCE_SECS, "headers": headers}
    done = subprocess.run(
        ["node", HERE / "signatures.mjs"],
        input=json.dumps(asked),
        env={**os.environ, "JUDGES": str(modules.resolve())},
        stdout=subprocess.PIPE,
        text=True,
        timeout=NODE_SECONDS_MAX,
        check=True,
    )
    return json.loads(done.stdout)


def _asked(address, headers):
    connection = http.client.HTTPConnection(address)
    taken = []
    for header in headers:
        sent = {"Stripe-Signature": header}
        connection.request("POST", "/webhooks/stripe", body=BODY, headers=sent)
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 400):
            sys.exit(f"paylink answers {answer.status} to {header!r}")
        taken.append(answer.status == 200)
    connection.close()
    return taken


@contextmanager
def _paylink(program):
    """Runs paylink with its sandbox, at ports that the system chooses."""
    free = dict.fromkeys(
        (f"PAYLINK__{part}__LISTEN" for part in ("GRPC", "WEBHOOK", "OPERATIONS", "SANDBOX")),
        "127.0.0.1:0",
    )
    environment = {
        **os.environ,
        **free,
        "PAYLINK__SANDBOX__WEBHOOK_SECRET": SECRET,
        "PAYLINK__TELEMETRY__LOG_FILTER": "off",
    }
    process = subprocess.Popen([program, "dev"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            if line.strip().startswith(START_LINE):
                yield line.split()[-1].removeprefix("http://").split("/")[0]
                return
        sys.exit("paylink ended by itself")
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
