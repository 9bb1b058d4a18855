// Sells a poster by a payment link, waits for the money, and ships once.
//
//	go run . localhost:50051
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"
	"time"

	pb "example.com/shop/generated/paylink/v1"
)

const callTime = 15 * time.Second

// Every call may be made again: reads change nothing, and each of our writes carries a request_id,
// under which it is done once. The library waits as long as an answer asks for.
const retries = `{
  "methodConfig": [{
    "name": [{}],
    "retryPolicy": {
      "maxAttempts": 4,
      "initialBackoff": "0.2s",
      "maxBackoff": "2s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
}`

type shop struct {
	catalog  pb.CatalogServiceClient
	links    pb.PaymentLinkServiceClient
	payments pb.PaymentServiceClient
}

func main() {
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, target string) error {
	connection, err := connect(target, retries)
	if err != nil {
		return err
	}
	defer connection.Close()
	shop := shop{
		catalog:  pb.NewCatalogServiceClient(connection),
		links:    pb.NewPaymentLinkServiceClient(connection),
		payments: pb.NewPaymentServiceClient(connection),
	}

	link, err := shop.sell(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("pay at %s\n", link.GetUrl())
	payment, err := shop.paid(ctx, link)
	if err != nil {
		return err
	}
	fmt.Printf("paid: %d %s\n", payment.GetAmountTotal(), payment.GetCurrency())
	parcel, err := shop.ship(ctx, payment)
	if err != nil {
		return err
	}
	fmt.Printf("shipped: %s\n", parcel.GetFulfillment().GetReference())
	return nil
}

// sell offers a poster, and returns the link that sells it.
func (s shop) sell(ctx context.Context) (*pb.PaymentLink, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*callTime)
	defer cancel()
	product, err := s.catalog.CreateProduct(ctx, &pb.CreateProductRequest{
		Product:   &pb.Product{Name: "Poster"},
		RequestId: once(),
	})
	if err != nil {
		return nil, err
	}
	amount, quantity := int64(2500), int64(1)
	price, err := s.catalog.CreatePrice(ctx, &pb.CreatePriceRequest{
		Price:     &pb.Price{Product: product.GetId(), Currency: "usd", UnitAmount: &amount},
		RequestId: once(),
	})
	if err != nil {
		return nil, err
	}
	return s.links.CreatePaymentLink(ctx, &pb.CreatePaymentLinkRequest{
		PaymentLink: &pb.PaymentLink{
			LineItems: []*pb.LineItem{{Price: price.GetId(), Quantity: &quantity}},
		},
		RequestId: once(),
	})
}

// paid follows the feed until the link is paid. A consumer that was away goes on after what it
// acknowledged last, so nothing is missed.
func (s shop) paid(ctx context.Context, link *pb.PaymentLink) (*pb.Payment, error) {
	const consumer = "example-go"
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	feed, err := s.payments.WatchPayments(ctx, &pb.WatchPaymentsRequest{
		Consumer:    consumer,
		PaymentLink: link.GetId(),
	})
	if err != nil {
		return nil, err
	}
	for {
		message, err := feed.Recv()
		if err != nil {
			return nil, err
		}
		payment := message.GetEvent().GetPayment()
		switch payment.GetState() {
		case pb.Payment_STATE_PAID, pb.Payment_STATE_NO_PAYMENT_REQUIRED:
			_, err := s.payments.AcknowledgePayments(ctx, &pb.AcknowledgePaymentsRequest{
				Consumer: consumer,
				Position: message.GetPosition(),
			})
			return payment, err
		}
	}
}

// ship takes the payment from all other workers, ships it, and closes it for good.
func (s shop) ship(ctx context.Context, payment *pb.Payment) (*pb.Payment, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*callTime)
	defer cancel()
	claimed, err := s.payments.ClaimFulfillment(ctx, &pb.ClaimFulfillmentRequest{
		Payment:   payment.GetId(),
		Worker:    "packer-1",
		RequestId: once(),
	})
	if err != nil {
		return nil, err
	}
	// Here the parcel leaves. Who fails to send it gives the claim back by ReleaseFulfillment.
	return s.payments.CompleteFulfillment(ctx, &pb.CompleteFulfillmentRequest{
		Payment:   payment.GetId(),
		Claim:     claimed.GetClaim(),
		Reference: "parcel 7",
		RequestId: once(),
	})
}

// once names a thing to be done by a random UUID. A program that may crash in between keeps it
// with the order.
func once() string {
	var id [16]byte
	if _, err := rand.Read(id[:]); err != nil {
		panic(err)
	}
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
