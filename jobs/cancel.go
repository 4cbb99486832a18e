package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/mediaconvert"
	"github.com/aws/aws-sdk-go-v2/service/mediaconvert/types"
)

// A Canceler ends a job in MediaConvert. *mediaconvert.Client is one.
type Canceler interface {
	CancelJob(context.Context, *mediaconvert.CancelJobInput, ...func(*mediaconvert.Options)) (*mediaconvert.CancelJobOutput, error)
}

// ErrEnded says that a job has ended already.
var ErrEnded = errors.New("the job has ended")

// Cancel asks for the end of a job: its worker stops when it next renews its
// lease, and MediaConvert is told at once. The result says cancelled. It returns
// the claim as it was found.
func (c *Claims) Cancel(ctx context.Context, id string, cloud Canceler) (*Claim, error) {
	claim, err := c.Read(ctx, id)
	for err == nil {
		if claim.State == StateReview {
			return claim, fmt.Errorf("%w: its output waits for a review: \"mosaicd reject\" makes it fail", ErrEnded)
		}
		if claim.State.Ended() {
			return claim, fmt.Errorf("%w: it %s", ErrEnded, claim.State)
		}
		claim.CancelRequested = true
		if err = c.save(ctx, claim); !errors.Is(err, errChanged) {
			break
		}
		claim, err = c.Read(ctx, id) // its worker was faster
	}
	if err != nil {
		return nil, err
	}
	for _, s := range claim.Steps {
		for _, part := range s.Cloud {
			if part.JobID == "" || part.ended() {
				continue
			}
			_, err := cloud.CancelJob(ctx, &mediaconvert.CancelJobInput{Id: &part.JobID})
			if errors.As(err, new(*types.ConflictException)) {
				continue // it ended just now
			} else if err != nil {
				return claim, fmt.Errorf("cancel MediaConvert job %s: %w", part.JobID, err)
			}
		}
	}
	return claim, nil
}
