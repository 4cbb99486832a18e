// Package awsclient mends what the AWS SDK's clients do wrong, the worker's and those of
// the embedded AWS alike.
package awsclient

import (
	"context"
	"fmt"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// PlainBodies hides that a request's body could write itself. smithy-go v1.28.8 closes
// the body as soon as an answer comes, and a closed one says EOF to whoever has it
// write itself, which net/http takes for a failure to send: an answer that comes before
// its writer has looked for more, as on a machine whose encoders keep it from running,
// is thrown away with its connection. Of ReceiveMessage it holds messages that nobody
// else sees then until their time is over. It is one of aws.Config.APIOptions.
func PlainBodies(stack *middleware.Stack) error {
	return stack.Build.Add(middleware.BuildMiddlewareFunc("PlainBodies",
		func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
			if req, ok := in.Request.(*smithyhttp.Request); ok {
				if body, ok := req.GetStream().(io.ReadSeeker); ok {
					plain, err := req.SetStream(struct{ io.ReadSeeker }{body})
					if err != nil {
						return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("set request body: %w", err)
					}
					in.Request = plain
				}
			}
			return next.HandleBuild(ctx, in)
		}), middleware.Before)
}
