"""Sells a poster by a payment link, waits for the money, and ships once.

python shop.py localhost:50051
"""

import json
import sys
import uuid
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).parent / "generated"))

from paylink.v1 import catalog_service_pb2 as catalog
from paylink.v1 import catalog_service_pb2_grpc as catalog_grpc
from paylink.v1 import payment_link_service_pb2 as links
from paylink.v1 import payment_link_service_pb2_grpc as links_grpc
from paylink.v1 import payment_service_pb2 as payments
from paylink.v1 import payment_service_pb2_grpc as payments_grpc

SECONDS_MAX = 15
SHIPPABLE = (payments.Payment.STATE_PAID, payments.Payment.STATE_NO_PAYMENT_REQUIRED)

# Every call may be made again: reads change nothing, and each of our writes carries a request_id,
# under which it is done once. The library waits as long as an answer asks for.
RETRIES = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.2s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


def main(target):
    options = [("grpc.service_config", json.dumps(RETRIES))]
    with grpc.insecure_channel(target, options=options) as channel:
        link = sell(channel)
        print(f"pay at {link.url}", flush=True)
        payment = paid(channel, link)
        print(f"paid: {payment.amount_total} {payment.currency}")
        parcel = ship(channel, payment)
        print(f"shipped: {parcel.fulfillment.reference}")


def sell(channel):
    """Offers a poster, and returns the link that sells it."""
    shelf = catalog_grpc.CatalogServiceStub(channel)
    product = shelf.CreateProduct(
        catalog.CreateProductRequest(product={"name": "Poster"}, request_id=once()),
        timeout=SECONDS_MAX,
    )
    price = shelf.CreatePrice(
        catalog.CreatePriceRequest(
            price={"product": product.id, "currency": "usd", "unit_amount": 2500},
            request_id=once(),
        ),
        timeout=SECONDS_MAX,
    )
    return links_grpc.PaymentLinkServiceStub(channel).CreatePaymentLink(
        links.CreatePaymentLinkRequest(
            payment_link={"line_items": [{"price": price.id, "quantity": 1}]},
            request_id=once(),
        ),
        timeout=SECONDS_MAX,
    )


def paid(channel, link):
    """Follows the feed until the link is paid. A consumer that was away goes on after what it
    acknowledged last, so nothing is missed."""
    feed = payments_grpc.PaymentServiceStub(channel)
    consumer = "example-python"
    wanted = payments.WatchPaymentsRequest(consumer=consumer, payment_link=link.id)
    for message in feed.WatchPayments(wanted):
        payment = message.event.payment
        if message.HasField("event") and payment.state in SHIPPABLE:
            seen = payments.AcknowledgePaymentsRequest(consumer=consumer, position=message.position)
            feed.AcknowledgePayments(seen, timeout=SECONDS_MAX)
            return payment
    raise RuntimeError("the feed ended")


def ship(channel, payment):
    """Takes the payment from all other workers, ships it, and closes it for good."""
    desk = payments_grpc.PaymentServiceStub(channel)
    claimed = desk.ClaimFulfillment(
        payments.ClaimFulfillmentRequest(payment=payment.id, worker="packer-1", request_id=once()),
        timeout=SECONDS_MAX,
    )
    # Here the parcel leaves. Who fails to send it gives the claim back by ReleaseFulfillment.
    return desk.CompleteFulfillment(
        payments.CompleteFulfillmentRequest(
            payment=payment.id,
            claim=claimed.claim,
            reference="parcel 7",
            request_id=once(),
        ),
        timeout=SECONDS_MAX,
    )


def once():
    """Names a thing to be done. A program that may crash in between keeps it with the order."""
    return str(uuid.uuid4())


if __name__ == "__main__":
    main(sys.argv[1])
