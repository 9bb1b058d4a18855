import com.paylink.v1.AcknowledgePaymentsRequest;
import com.paylink.v1.CatalogServiceGrpc;
import com.paylink.v1.ClaimFulfillmentRequest;
import com.paylink.v1.CompleteFulfillmentRequest;
import com.paylink.v1.CreatePaymentLinkRequest;
import com.paylink.v1.CreatePriceRequest;
import com.paylink.v1.CreateProductRequest;
import com.paylink.v1.LineItem;
import com.paylink.v1.Payment;
import com.paylink.v1.PaymentLink;
import com.paylink.v1.PaymentLinkServiceGrpc;
import com.paylink.v1.PaymentServiceGrpc;
import com.paylink.v1.Price;
import com.paylink.v1.Product;
import com.paylink.v1.WatchPaymentsRequest;
import com.paylink.v1.WatchPaymentsResponse;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/** Sells a poster by a payment link, waits for the money, and ships once. */
public final class Shop {
  private static final long SECONDS_MAX = 15;

  /**
   * Every call may be made again: reads change nothing, and each of our writes carries a
   * request_id, under which it is done once. The library waits as long as an answer asks for.
   */
  private static final Map<String, Object> RETRIES =
      Map.of(
          "methodConfig",
          List.of(
              Map.of(
                  "name",
                  List.of(Map.of()),
                  "retryPolicy",
                  Map.of(
                      "maxAttempts", 4.0,
                      "initialBackoff", "0.2s",
                      "maxBackoff", "2s",
                      "backoffMultiplier", 2.0,
                      "retryableStatusCodes", List.of("UNAVAILABLE")))));

  private final CatalogServiceGrpc.CatalogServiceBlockingStub catalog;
  private final PaymentLinkServiceGrpc.PaymentLinkServiceBlockingStub links;
  private final PaymentServiceGrpc.PaymentServiceBlockingStub payments;

  public static void main(String[] arguments) {
    ManagedChannel channel =
        Grpc.newChannelBuilder(arguments[0], InsecureChannelCredentials.create())
            .defaultServiceConfig(RETRIES)
            .enableRetry()
            .build();
    try {
      Shop shop = new Shop(channel);
      PaymentLink link = shop.sell();
      System.out.println("pay at " + link.getUrl());
      Payment payment = shop.paid(link);
      System.out.println("paid: " + payment.getAmountTotal() + " " + payment.getCurrency());
      Payment parcel = shop.ship(payment);
      System.out.println("shipped: " + parcel.getFulfillment().getReference());
    } finally {
      channel.shutdownNow();
    }
  }

  private Shop(ManagedChannel channel) {
    catalog = CatalogServiceGrpc.newBlockingStub(channel);
    links = PaymentLinkServiceGrpc.newBlockingStub(channel);
    payments = PaymentServiceGrpc.newBlockingStub(channel);
  }

  /** Offers a poster, and returns the link that sells it. */
  private PaymentLink sell() {
    Product product =
        catalog
            .withDeadlineAfter(SECONDS_MAX, TimeUnit.SECONDS)
            .createProduct(
                CreateProductRequest.newBuilder()
                    .setProduct(Product.newBuilder().setName("Poster"))
                    .setRequestId(once())
                    .build());
    Price.Builder offer =
        Price.newBuilder().setProduct(product.getId()).setCurrency("usd").setUnitAmount(2500);
    Price price =
        catalog
            .withDeadlineAfter(SECONDS_MAX, TimeUnit.SECONDS)
            .createPrice(
                CreatePriceRequest.newBuilder().setPrice(offer).setRequestId(once()).build());
    LineItem.Builder poster = LineItem.newBuilder().setPrice(price.getId()).setQuantity(1);
    return links
        .withDeadlineAfter(SECONDS_MAX, TimeUnit.SECONDS)
        .createPaymentLink(
            CreatePaymentLinkRequest.newBuilder()
                .setPaymentLink(PaymentLink.newBuilder().addLineItems(poster))
                .setRequestId(once())
                .build());
  }

  /**
   * Follows the feed until the link is paid. A consumer that was away goes on after what it
   * acknowledged last, so nothing is missed.
   */
  private Payment paid(PaymentLink link) {
    String consumer = "example-java";
    Iterator<WatchPaymentsResponse> feed =
        payments.watchPayments(
            WatchPaymentsRequest.newBuilder()
                .setConsumer(consumer)
                .setPaymentLink(link.getId())
                .build());
    while (feed.hasNext()) {
      WatchPaymentsResponse message = feed.next();
      Payment payment = message.getEvent().getPayment();
      if (payment.getState() == Payment.State.STATE_PAID
          || payment.getState() == Payment.State.STATE_NO_PAYMENT_REQUIRED) {
        payments
            .withDeadlineAfter(SECONDS_MAX, TimeUnit.SECONDS)
            .acknowledgePayments(
                AcknowledgePaymentsRequest.newBuilder()
                    .setConsumer(consumer)
                    .setPosition(message.getPosition())
                    .build());
        return payment;
      }
    }
    throw new IllegalStateException("the feed ended");
  }

  /** Takes the payment from all other workers, ships it, and closes it for good. */
  private Payment ship(Payment payment) {
    String claim =
        payments
            .withDeadlineAfter(SECONDS_MAX, TimeUnit.SECONDS)
            .claimFulfillment(
                ClaimFulfillmentRequest.newBuilder()
                    .setPayment(payment.getId())
                    .setWorker("packer-1")
                    .setRequestId(once())
                    .build())
            .getClaim();
    // Here the parcel leaves. Who fails to send it gives the claim back by releaseFulfillment.
    return payments
        .withDeadlineAfter(SECONDS_MAX, TimeUnit.SECONDS)
        .completeFulfillment(
            CompleteFulfillmentRequest.newBuilder()
                .setPayment(payment.getId())
                .setClaim(claim)
                .setReference("parcel 7")
                .setRequestId(once())
                .build());
  }

  /** Names a thing to be done. A program that may crash in between keeps it with the order. */
  private static String once() {
    return UUID.randomUUID().toString();
  }
}
