package jobs

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mosaicd/mosaicd/jobs/event"
)

// The index of the claims is empty objects whose keys say all:
//
//	index/state/<place>/<stamp>-<job id>/<route>/<source>
//	index/source/<digest of bucket and key>/<stamp>-<job id>
//
// The stamp is the creation of the job, counted backwards, so that S3 lists the
// newest first. An entry of a state is written before the claim that has the state,
// and the one of the state before is deleted after it: a worker that dies between
// leaves an entry too many and never one too few. The claim is the truth, and whoever
// finds an entry that does not agree with it passes it over.
const (
	stateIndex  = "index/state/"
	sourceIndex = "index/source/"
	// activePlace holds what runs and what waits: between these a job may change often.
	activePlace = "active"
)

// place is the part of the index that a job in state s is in.
func (s State) place() string {
	if s.Ended() {
		return string(s)
	}
	return activePlace
}

// places are those of all states.
func places(states []State) []string {
	if len(states) == 0 {
		states = States
	}
	var all []string
	seen := map[string]bool{}
	for _, s := range states {
		if p := s.place(); !seen[p] {
			seen[p], all = true, append(all, p)
		}
	}
	return all
}

// lastMilli is the last millisecond of the year 9999: stamps count down from it.
const lastMilli = 253402300799999

// stampDigits is the length of a stamp: 15 digits.
const stampDigits = 15

func stamp(at time.Time) string {
	return fmt.Sprintf("%0*d", stampDigits, min(max(lastMilli-at.UnixMilli(), 0), lastMilli))
}

const (
	maxRouteInKey  = 128
	maxSourceInKey = 600
)

// entry is the key of a claim's entry in a place, below the prefix.
func (c *Claim) entry(place string) string {
	return stateIndex + place + "/" + stamp(c.CreatedAt) + "-" + c.Job.ID + "/" +
		escaped(c.Job.Route, maxRouteInKey) + "/" + escaped(uri(c.Job.Source), maxSourceInKey)
}

// sourceEntry is the key of a claim's entry among those of its source.
func (c *Claim) sourceEntry() string {
	return sourceFolder(c.Job.Source) + stamp(c.CreatedAt) + "-" + c.Job.ID
}

func sourceFolder(at event.Location) string {
	return sourceIndex + id("source", at.Bucket, at.Key) + "/"
}

// escaped is s with all but plain characters as %XX, cut to a length in bytes.
func escaped(s string, most int) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
			strings.IndexByte("-._~:", c) >= 0
		width := 1
		if !plain {
			width = 3
		}
		if b.Len()+width > most {
			break
		}
		if plain {
			b.WriteByte(c)
		} else {
			b.WriteString("%" + strings.ToUpper(hex.EncodeToString([]byte{c})))
		}
	}
	return b.String()
}

// enter writes an entry of a claim.
func (c *Claims) enter(ctx context.Context, key, job string) error {
	at := event.Location{Bucket: c.bucket, Key: c.prefix + key}
	_, err := c.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &at.Bucket, Key: &at.Key, Body: bytes.NewReader(nil), Metadata: map[string]string{jobMetadata: job},
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", at, err)
	}
	return nil
}

func (c *Claims) leave(ctx context.Context, key string) error {
	at := event.Location{Bucket: c.bucket, Key: c.prefix + key}
	if _, err := c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &at.Bucket, Key: &at.Key}); err != nil {
		return fmt.Errorf("delete %s: %w", at, err)
	}
	return nil
}

// enterNew writes the entries of a claim that was just made.
func (c *Claims) enterNew(ctx context.Context, claim *Claim) error {
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() { errs[0] = c.enter(ctx, claim.entry(claim.State.place()), claim.Job.ID) })
	if claim.Job.Source.Bucket != "" {
		wg.Go(func() { errs[1] = c.enter(ctx, claim.sourceEntry(), claim.Job.ID) })
	}
	wg.Wait()
	return errors.Join(errs[:]...)
}

// complain says that the index could not be written, which keeps no job from being
// done.
func (c *Claims) complain(ctx context.Context, job string, err error) {
	if err != nil && c.indexFailed != nil && ctx.Err() == nil {
		c.indexFailed(job, err)
	}
}

// A Query says which jobs are looked for. The zero value is all of them.
type Query struct {
	States []State // nil: all
	Route  string  // empty: any
	// Source is what the source's URI begins with, as in s3://uploads/folder/.
	Source        string
	Since, Before time.Time // of the job's creation; zero: open
	Limit         int       // the newest so many; 0: all
}

// matches judges what is truly so.
func (q Query) matches(c *Claim) bool {
	in := len(q.States) == 0
	for _, s := range q.States {
		in = in || s == c.State
	}
	return in && (q.Route == "" || c.Job.Route == q.Route) && strings.HasPrefix(uri(c.Job.Source), q.Source) &&
		!c.CreatedAt.Before(q.Since) && (q.Before.IsZero() || c.CreatedAt.Before(q.Before))
}

// mayMatch judges a key of the index below its place: <stamp>-<id>/<route>/<source>.
func (q Query) mayMatch(key string) bool {
	head, rest, _ := strings.Cut(key, "/")
	route, source, ok := strings.Cut(rest, "/")
	if !ok || len(head) != stampDigits+1+32 {
		return false
	}
	wanted := escaped(q.Source, maxSourceInKey)
	return (q.Route == "" || route == escaped(q.Route, maxRouteInKey)) &&
		(strings.HasPrefix(source, wanted) || len(source) > maxSourceInKey-3 && strings.HasPrefix(wanted, source))
}

// reading is how many claims are read at once.
const reading = 16

// Find returns the claims of the jobs that a query asks for, the newest first. It
// lists each place of the index once for each thousand entries that it looks at, and
// reads each claim that it returns.
func (c *Claims) Find(ctx context.Context, q Query) ([]*Claim, error) {
	cursors, err := c.cursors(ctx, q)
	if err != nil {
		return nil, err
	}
	var found []*Claim
	for more := true; more && (q.Limit == 0 || len(found) < q.Limit); {
		var ids, at []string
		for most := batch(q.Limit - len(found)); len(ids) < most; {
			var next *cursor
			if next, err = first(ctx, cursors); err != nil {
				return nil, err
			}
			if more = next != nil; !more {
				break
			}
			key := next.take()
			if !q.Since.IsZero() && key[:stampDigits] > stamp(q.Since) {
				next.done()
				continue
			}
			if q.mayMatch(key) {
				ids, at = append(ids, key[stampDigits+1:stampDigits+33]), append(at, next.place)
			}
		}
		claims, err := c.readAll(ctx, ids)
		if err != nil {
			return nil, err
		}
		for i, claim := range claims {
			if claim != nil && claim.State.place() == at[i] && q.matches(claim) {
				found = append(found, claim)
			}
		}
	}
	return found, nil
}

// batch is how many claims are read before it is seen whether they are enough.
func batch(missing int) int {
	if missing <= 0 { // without a limit
		return 1000
	}
	return missing
}

// OfSource returns the claims of the jobs of a source, the newest first, at most so
// many.
func (c *Claims) OfSource(ctx context.Context, at event.Location, limit int) ([]*Claim, error) {
	list := &cursor{claims: c, folder: c.prefix + sourceFolder(at), page: int32(min(limit, 1000))}
	var ids []string
	for len(ids) < limit {
		if err := list.fill(ctx); err != nil {
			return nil, err
		}
		if len(list.keys) == 0 {
			break
		}
		key := list.take()
		if len(key) == stampDigits+1+32 {
			ids = append(ids, key[stampDigits+1:])
		}
	}
	claims, err := c.readAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	var found []*Claim
	for _, claim := range claims {
		if claim != nil && claim.Job.Source.Bucket == at.Bucket && claim.Job.Source.Key == at.Key {
			found = append(found, claim)
		}
	}
	return found, nil
}

// readAll reads claims, some at once; nil where there is none.
func (c *Claims) readAll(ctx context.Context, ids []string) ([]*Claim, error) {
	claims, errs := make([]*Claim, len(ids)), make([]error, len(ids))
	var wg sync.WaitGroup
	slots := make(chan struct{}, reading)
	for i, id := range ids {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			claims[i], errs[i] = c.read(ctx, id)
		})
	}
	wg.Wait()
	return claims, errors.Join(errs...)
}

// A cursor goes through the keys of a folder of the index.
type cursor struct {
	claims *Claims
	place  string
	folder string
	after  string // keys up to this one are passed over
	page   int32
	token  *string
	keys   []string // below the folder, not yet taken
	end    bool
}

// cursors are those of the places where a query may find something, each with its
// first keys.
func (c *Claims) cursors(ctx context.Context, q Query) ([]*cursor, error) {
	var all []*cursor
	page := int32(1000)
	if q.Limit > 0 && q.Route == "" && q.Source == "" {
		page = int32(min(q.Limit, 1000))
	}
	for _, place := range places(q.States) {
		at := &cursor{claims: c, place: place, folder: c.prefix + stateIndex + place + "/", page: page}
		if !q.Before.IsZero() {
			at.after = at.folder + stamp(q.Before) + "~" // after all of that millisecond
		}
		all = append(all, at)
	}
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, at := range all {
		wg.Go(func() { errs[i] = at.fill(ctx) })
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

// first is the cursor whose next key is the newest; nil when none has any.
func first(ctx context.Context, all []*cursor) (*cursor, error) {
	var newest *cursor
	for _, at := range all {
		if err := at.fill(ctx); err != nil {
			return nil, err
		}
		if len(at.keys) > 0 && (newest == nil || at.keys[0] < newest.keys[0]) {
			newest = at
		}
	}
	return newest, nil
}

// fill lists the next page where no key is left.
func (at *cursor) fill(ctx context.Context) error {
	for len(at.keys) == 0 && !at.end {
		in := &s3.ListObjectsV2Input{
			Bucket: &at.claims.bucket, Prefix: &at.folder, MaxKeys: &at.page, ContinuationToken: at.token,
		}
		if at.after != "" && at.token == nil {
			in.StartAfter = &at.after
		}
		out, err := at.claims.s3.ListObjectsV2(ctx, in)
		if err != nil {
			return fmt.Errorf("list s3://%s/%s: %w", at.claims.bucket, at.folder, err)
		}
		for _, o := range out.Contents {
			if key := strings.TrimPrefix(aws.ToString(o.Key), at.folder); len(key) > stampDigits {
				at.keys = append(at.keys, key)
			}
		}
		at.token = out.NextContinuationToken
		at.end = !aws.ToBool(out.IsTruncated) || at.token == nil
	}
	return nil
}

func (at *cursor) take() string {
	key := at.keys[0]
	at.keys = at.keys[1:]
	return key
}

// done ends a cursor: all that follows is older than was asked for.
func (at *cursor) done() { at.keys, at.end = nil, true }

// Reindex writes the entries of all claims: of those that were made by a release
// without an index, and of those whose entries are gone. It returns how many there
// are, and calls progress, which may be nil, now and then.
func (c *Claims) Reindex(ctx context.Context, progress func(n int)) (int, error) {
	n, folder := 0, c.prefix+"claims/"
	pages := s3.NewListObjectsV2Paginator(c.s3, &s3.ListObjectsV2Input{Bucket: &c.bucket, Prefix: &folder})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return n, fmt.Errorf("list s3://%s/%s: %w", c.bucket, folder, err)
		}
		var ids []string
		for _, o := range page.Contents {
			id := strings.TrimSuffix(aws.ToString(o.Key)[len(folder):], ".json")
			if jobID.FindString(id) == id && id != "" {
				ids = append(ids, id)
			}
		}
		claims, err := c.readAll(ctx, ids)
		if err != nil {
			return n, err
		}
		errs := make([]error, len(claims))
		slots := make(chan struct{}, reading)
		var wg sync.WaitGroup
		for i, claim := range claims {
			if claim == nil {
				continue
			}
			slots <- struct{}{}
			wg.Go(func() {
				defer func() { <-slots }()
				errs[i] = c.enterNew(ctx, claim)
			})
			n++
		}
		wg.Wait()
		if err := errors.Join(errs...); err != nil {
			return n, err
		}
		if progress != nil {
			progress(n)
		}
	}
	return n, nil
}

const (
	// strayAfter is how old a job must be before its entry among the active ones is
	// held against its claim.
	strayAfter = time.Hour
	// maxStrays is how many are looked at in one go.
	maxStrays = 100
)

// sweepIndex moves the entries of jobs that have ended and are still among the active
// ones: a worker died between the two writes, or one of an older release ended the job.
func (c *Claims) sweepIndex(ctx context.Context, now time.Time) error {
	at := &cursor{claims: c, place: activePlace, folder: c.prefix + stateIndex + activePlace + "/", page: 1000}
	at.after = at.folder + stamp(now.Add(-strayAfter)) + "~"
	for range maxStrays {
		if err := at.fill(ctx); err != nil {
			return err
		}
		if len(at.keys) == 0 {
			return nil
		}
		key := at.take()
		if len(key) < stampDigits+33 {
			continue
		}
		claim, err := c.read(ctx, key[stampDigits+1:stampDigits+33])
		switch {
		case err != nil:
			return err
		case claim != nil && !claim.State.Ended():
			continue
		case claim != nil:
			if err := c.enterNew(ctx, claim); err != nil {
				return err
			}
		}
		if err := c.leave(ctx, stateIndex+activePlace+"/"+key); err != nil {
			return err
		}
	}
	return nil
}

// ParseState reads the name of a state.
func ParseState(name string) (State, error) {
	var names []string
	for _, s := range States {
		if string(s) == name {
			return s, nil
		}
		names = append(names, string(s))
	}
	return "", fmt.Errorf("must be one of %s (got %s)", strings.Join(names, ", "), strconv.Quote(name))
}
