// Sells a poster by a payment link, waits for the money, and ships once.
//
//     node shop.ts http://localhost:50051

import { randomUUID } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";

import { CatalogService } from "./generated/paylink/v1/catalog_service_pb.js";
import {
  type PaymentLink,
  PaymentLinkService,
} from "./generated/paylink/v1/payment_link_service_pb.js";
import {
  type Payment,
  Payment_State,
  PaymentService,
} from "./generated/paylink/v1/payment_service_pb.js";

const DEADLINE_MS = 15_000;
const ATTEMPTS_MAX = 4;
const PAUSE_MS = 200;
const SHIPPABLE = [Payment_State.PAID, Payment_State.NO_PAYMENT_REQUIRED];

// Every call may be made again: reads change nothing, and each of our writes carries a requestId,
// under which it is done once.
const retries: Interceptor = (next) => async (request) => {
  for (let attempt = 1; ; attempt++) {
    try {
      return await next(request);
    } catch (error) {
      const passing = ConnectError.from(error).code === Code.Unavailable;
      if (!passing || request.stream || attempt === ATTEMPTS_MAX) throw error;
      // The server names a better time where it knows one.
      const asked = Number(ConnectError.from(error).metadata.get("grpc-retry-pushback-ms"));
      await pause(asked > 0 ? asked : PAUSE_MS * 2 ** attempt);
    }
  }
};

async function main(baseUrl: string) {
  const sessionManager = new Http2SessionManager(baseUrl);
  const transport = createGrpcTransport({ baseUrl, sessionManager, interceptors: [retries] });
  const catalog = createClient(CatalogService, transport);
  const links = createClient(PaymentLinkService, transport);
  const payments = createClient(PaymentService, transport);

  // Offers a poster by a link.
  async function sell(): Promise<PaymentLink> {
    const product = await catalog.createProduct(
      { product: { name: "Poster" }, requestId: once() },
      { timeoutMs: DEADLINE_MS },
    );
    const price = await catalog.createPrice(
      {
        price: { product: product.id, currency: "usd", unitAmount: 2500n },
        requestId: once(),
      },
      { timeoutMs: DEADLINE_MS },
    );
    return await links.createPaymentLink(
      { paymentLink: { lineItems: [{ price: price.id, quantity: 1n }] }, requestId: once() },
      { timeoutMs: DEADLINE_MS },
    );
  }

  // Follows the feed until the link is paid. A consumer that was away goes on after what it
  // acknowledged last, so nothing is missed.
  async function paid(link: PaymentLink): Promise<Payment> {
    const consumer = "example-typescript";
    for await (const message of payments.watchPayments({ consumer, paymentLink: link.id })) {
      if (message.content.case !== "event") continue;
      const { payment } = message.content.value;
      if (!payment || !SHIPPABLE.includes(payment.state)) continue;
      const seen = { consumer, position: message.position };
      await payments.acknowledgePayments(seen, { timeoutMs: DEADLINE_MS });
      return payment;
    }
    throw new Error("the feed ended");
  }

  // Takes the payment from all other workers, ships it, and closes it for good.
  async function ship(payment: Payment): Promise<Payment> {
    const { claim } = await payments.claimFulfillment(
      { payment: payment.id, worker: "packer-1", requestId: once() },
      { timeoutMs: DEADLINE_MS },
    );
    // Here the parcel leaves. Who fails to send it gives the claim back by releaseFulfillment.
    return await payments.completeFulfillment(
      { payment: payment.id, claim, reference: "parcel 7", requestId: once() },
      { timeoutMs: DEADLINE_MS },
    );
  }

  const link = await sell();
  console.log(`pay at ${link.url}`);
  const payment = await paid(link);
  console.log(`paid: ${payment.amountTotal} ${payment.currency}`);
  const parcel = await ship(payment);
  console.log(`shipped: ${parcel.fulfillment?.reference}`);
  // An open connection would keep the program alive.
  sessionManager.abort();
}

// Names a thing to be done. A program that may crash in between keeps it with the order.
function once(): string {
  return randomUUID();
}

const [baseUrl] = process.argv.slice(2);
if (!baseUrl) throw new Error("say where paylink is, such as http://localhost:50051");
await main(baseUrl);
