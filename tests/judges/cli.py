"""Stripe's guide to payment links, followed with its command line."""

import json
import os
import subprocess

COMMAND_SECONDS_MAX = 30
# What the command makes happen by itself, with objects of its own, to have an event.
TRIGGERED = ("product.created", "product.updated", "product.deleted", "price.created")
TRIGGERED += ("price.updated", "payment_link.created", "payment_link.updated", "coupon.created")
TRIGGERED += ("coupon.updated", "coupon.deleted", "customer.created", "customer.updated")
TRIGGERED += ("customer.deleted", "tax_rate.created", "tax_rate.updated")
KEY = "sk_test_judge_cli"


class Cli:
    """The `stripe` command, against an address instead of Stripe's."""

    def __init__(self, program, api, home):
        self.program, self.api = program, api
        self.environment = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "STRIPE_API_KEY": KEY,
            "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
        }

    def __call__(self, *words):
        done = self._run(*words)
        assert done.returncode == 0, f"stripe {' '.join(words)}: {done.stderr or done.stdout}"
        return json.loads(done.stdout)

    def refused(self, *words):
        """The error of a command that does not succeed."""
        done = self._run(*words)
        return json.loads((done.stdout or done.stderr)[(done.stdout or done.stderr).index("{") :])

    def trigger(self, kind):
        """Makes an event of that type happen."""
        done = self._run("trigger", kind)
        assert "Trigger succeeded!" in done.stdout, f"{kind}: {done.stdout}{done.stderr}"

    def _run(self, *words):
        return subprocess.run(
            [self.program, *words, "--api-base", self.api],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )


def follow(stripe, pay):
    """Follows the guide with the command. `pay` pays a link."""
    product = stripe("products", "create", "--name=Thing")
    price = stripe(
        "prices",
        "create",
        f"--product={product['id']}",
        "--currency=usd",
        "--unit-amount=1000",
    )
    link = stripe(
        "payment_links",
        "create",
        "-d",
        f"line_items[0][price]={price['id']}",
        "-d",
        "line_items[0][quantity]=1",
    )
    pay(link["url"])
    sessions = stripe("checkout", "sessions", "list", f"--payment-link={link['id']}")
    session = sessions["data"][0]
    assert session["payment_status"] == "paid"
    refund = stripe("refunds", "create", f"--payment-intent={session['payment_intent']}")
    assert refund["amount"] == 1000
    events = stripe("events", "list", "--type=charge.refunded", "--limit=1")
    assert events["data"][0]["data"]["object"]["amount_refunded"] == 1000
    off = stripe("payment_links", "update", link["id"], "--active=false")
    assert off["active"] is False
    links = stripe("payment_links", "list", "--active=false", "--limit=1")
    assert links["data"][0]["id"] == link["id"]
    listed = stripe("get", "/v1/products", "--limit=1")
    assert listed["object"] == "list"
    error = stripe.refused("products", "retrieve", "prod_none")["error"]
    assert error["code"] == "resource_missing"
    once = ("products", "create", "--name=Once", "--idempotency=judge-cli")
    assert stripe(*once)["id"] == stripe(*once)["id"]
    balance = stripe("balance", "retrieve")
    assert balance["object"] == "balance"
    for kind in TRIGGERED:
        stripe.trigger(kind)
        assert stripe("events", "list", "--limit=1")["data"][0]["type"] == kind
