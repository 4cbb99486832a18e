// Package worker takes messages from one SQS queue, keeps each invisible while
// a Handler works it, and deletes, returns or rejects it by the error that the
// Handler gives back. It knows nothing of what a message means.
//
// SQS delivers at least once, and a worker may die at any point, so a message
// can be handled again after it was handled well. A Handler has to cope.
package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"go.uber.org/zap"

	"github.com/mosaicd/mosaicd/internal/failpoint"
)

// Causes of the end of a handler's context (context.Cause).
var (
	// ErrStopping says that the drain time is over. It is not the job's fault.
	ErrStopping = errors.New("worker is stopping")

	// ErrLeaseLost says that the message is, or is about to be, visible to other
	// workers, so that another one may be working it. Publish nothing.
	ErrLeaseLost = errors.New("lease on the message is lost")

	// ErrTooLong says that Config.MaxTime is over. Its method Timeout tells a handler so that
	// doesn't know this package.
	ErrTooLong error = tooLongError{}
)

type tooLongError struct{}

func (tooLongError) Error() string { return "message took too long" }
func (tooLongError) Timeout() bool { return true }

// A Handler works one message. It is called by several goroutines at once, up to
// Config.Concurrency.
//
// What becomes of the message is said by the error that Handle returns, or that
// one it returns wraps:
//
//   - nil: it is deleted.
//   - a Rejection: it goes to the dead-letter queue at once.
//   - a Postponement: it is visible again after the time that this names.
//   - a Fault: it is visible again at once, for another machine.
//   - any other, and a panic: it is visible again after a back-off.
//
// The context ends with the cause ErrStopping, ErrLeaseLost or ErrTooLong, and
// Handle should then return soon: its slot, and Run, wait for it. After
// ErrStopping any error gives the message back at once, for another worker.
// After ErrLeaseLost what Handle returns changes nothing.
type Handler interface {
	Handle(ctx context.Context, m types.Message) error
}

// Queue is the part of *sqs.Client that a Worker calls.
type Queue interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error)
	DeleteMessage(context.Context, *sqs.DeleteMessageInput, ...func(*sqs.Options)) (*sqs.DeleteMessageOutput, error)
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

var _ Queue = (*sqs.Client)(nil)

// A Worker works one queue.
//
//  1. New checks its Config.
//  2. Run receives messages and has them handled, until its context ends.
//  3. Handlers go on for Config.Drain; then their contexts end.
//  4. Run returns when every handler has returned, or soon after Hurry. A Worker runs
//     only once.
//
// Status may be called at any time, from any goroutine.
type Worker struct {
	queue   Queue
	handler Handler
	log     *zap.Logger
	cfg     Config
	started atomic.Bool
	status  status
	fitness *fitness

	hurry   sync.Once
	hurried chan struct{} // closed by Hurry
	left    chan struct{} // closed when handlers that do not return are left behind
	hand    hand
}

// New returns a Worker of q's queue cfg.QueueURL. The error names each field of
// cfg that is out of range, and its value.
func New(q Queue, h Handler, log *zap.Logger, cfg Config) (*Worker, error) {
	if q == nil || h == nil || log == nil {
		return nil, errors.New("new worker: queue, handler and log must not be nil")
	}
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	w := &Worker{queue: q, handler: h, log: log, cfg: cfg, hurried: make(chan struct{}), left: make(chan struct{})}
	w.status.now.Slots = cfg.Concurrency
	w.fitness = &fitness{gate: cfg.Gate, log: log, status: &w.status}
	return w, nil
}

// Run works the queue until ctx ends, lets handlers go on for Config.Drain, then
// ends their contexts with ErrStopping and returns when every one has returned.
//
// From the end of ctx that takes at most the longer of Drain and the long poll
// in flight (20 s; 30 s when SQS does not answer), plus the time that handlers
// need to return, plus the last calls to SQS (30 s when it does not answer).
//
// It returns nil, or an error at once when it has been called before. A receive
// that fails is tried again for as long as ctx lasts, and shows in Status.
func (w *Worker) Run(ctx context.Context) error {
	if !w.started.CompareAndSwap(false, true) {
		return errors.New("run worker: it has been run already")
	}
	workCtx, interrupt := context.WithCancelCause(context.WithoutCancel(ctx))
	defer interrupt(nil)

	idle := make(chan struct{})
	var drain sync.WaitGroup
	drain.Go(func() { w.drain(ctx, idle, interrupt) })

	var handlers sync.WaitGroup
	w.receiveAndWork(ctx, workCtx, &handlers)
	go func() {
		handlers.Wait()
		close(idle)
	}()
	drain.Wait()
	if !closed(idle) {
		w.releaseHand(ctx)
	}
	return nil
}

// Hurry ends the drain: handlers are told to stop at once, and Run returns hurryTime
// later at the most, but not before it has the answer to the receive in flight, and has
// given back each message of which it had no end. It may be called more than once, from any
// goroutine, and changes nothing as long as Run's context has not ended.
func (w *Worker) Hurry() { w.hurry.Do(func() { close(w.hurried) }) }

// hurryTime is how long handlers have to return after Hurry.
const hurryTime = 5 * time.Second

// releaseHand gives back the messages of handlers that have not returned. The process
// is about to end, and they with it.
func (w *Worker) releaseHand(ctx context.Context) {
	close(w.left) // so that no beat hides a message again
	var all sync.WaitGroup
	for _, d := range w.hand.all() {
		all.Go(func() { w.release(ctx, d) })
	}
	all.Wait()
}

// A hand is the messages that are in hand, by their receipt handles.
type hand struct {
	mu         sync.Mutex
	deliveries map[string]delivery
}

func (h *hand) add(d delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.deliveries == nil {
		h.deliveries = map[string]delivery{}
	}
	h.deliveries[aws.ToString(d.message.ReceiptHandle)] = d
}

func (h *hand) remove(d delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.deliveries, aws.ToString(d.message.ReceiptHandle))
}

func (h *hand) all() []delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.deliveries))
}

// receiveAndWork takes a slot first and then a message, so that no message waits
// here for a slot while another worker could have it. It returns when ctx has
// ended and no more messages come; handlers may still be at theirs.
func (w *Worker) receiveAndWork(ctx, workCtx context.Context, handlers *sync.WaitGroup) {
	slots := make(chan struct{}, w.cfg.Concurrency)
	free := func(n int) {
		for range n {
			<-slots
		}
	}
	var outage outage
	for n := take(ctx, slots); n > 0; n = take(ctx, slots) {
		if pause := w.fitness.check(ctx); pause > 0 {
			if free(n); len(slots) == 0 {
				w.protect(ctx, false)
			}
			sleep(ctx, pause)
			continue
		}
		if w.fitness.doubtful() {
			free(n - 1)
			n = 1
		}
		w.protect(ctx, true)
		received, err := w.receive(ctx, n)
		free(n - len(received))
		if len(received) == 0 && len(slots) == 0 {
			w.protect(ctx, false)
		}
		settle := w.work
		if ctx.Err() != nil {
			settle = w.release // it came in while we were told to stop
		}
		for _, d := range received {
			w.status.addInFlight(1)
			w.hand.add(d)
			handlers.Go(func() {
				defer free(1)
				defer w.status.addInFlight(-1)
				defer w.hand.remove(d)
				settle(workCtx, d)
			})
		}
		if pause := outage.observe(w.log, err); pause > 0 {
			sleep(ctx, pause)
		}
	}
}

// protect asks for protection, or gives it up. Without it the work goes on: a stop
// costs a job its time, and no more.
func (w *Worker) protect(ctx context.Context, on bool) {
	if w.cfg.Protection == nil {
		return
	}
	if err := w.cfg.Protection.Protect(ctx, on); err != nil && ctx.Err() == nil {
		w.log.Warn(eventProtectionFailed, zap.Bool("on", on), zap.Error(err))
	}
}

// take waits for one slot and takes, of those that are free by then, as many as
// one receive can fill. It returns 0 when ctx has ended.
func take(ctx context.Context, slots chan<- struct{}) int {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	if ctx.Err() != nil { // select picks any of its cases that are ready
		return 0
	}
	for n := 1; n < maxReceive; n++ {
		select {
		case slots <- struct{}{}:
		default:
			return n
		}
	}
	return maxReceive
}

// drain interrupts the handlers once ctx has ended and Config.Drain is over, or Hurry was
// called. It returns when idle is closed, or hurryTime after Hurry.
func (w *Worker) drain(ctx context.Context, idle <-chan struct{}, interrupt context.CancelCauseFunc) {
	select {
	case <-ctx.Done():
	case <-idle:
		return
	}
	w.log.Info(eventDraining, zap.Int(keyInFlight, w.status.setDraining()))
	t := time.NewTimer(w.cfg.Drain)
	defer t.Stop()
	select {
	case <-t.C:
		interrupt(ErrStopping)
		select {
		case <-w.hurried:
		case <-idle:
			return
		}
	case <-w.hurried:
		interrupt(ErrStopping)
	case <-idle:
		return
	}
	w.log.Warn(eventHurried, zap.Int(keyInFlight, w.Status().InFlight))
	t.Reset(hurryTime)
	select {
	case <-t.C:
	case <-idle:
	}
}

// work has d handled while its lease is kept, and then does what the handler's
// error says.
func (w *Worker) work(ctx context.Context, d delivery) {
	ctx, done := context.WithDeadlineCause(ctx, d.asked.Add(w.cfg.MaxTime), ErrTooLong)
	defer done()
	ctx, interrupt := context.WithCancelCause(ctx)
	defer interrupt(nil)

	handled := make(chan struct{})
	held := make(chan bool, 1)
	go func() {
		ok := w.keep(ctx, d, handled)
		if !ok {
			interrupt(ErrLeaseLost)
		}
		held <- ok
	}()
	failpoint.Hit("received")
	err := w.handle(ctx, d.message)
	failpoint.Hit("handled")
	cause := context.Cause(ctx)
	close(handled)
	// A beat that is answered after the verdict could undo it, so the verdict
	// waits for the beat.
	if !<-held {
		d.log.Warn(eventAbandoned, d.duration(), zap.Error(err))
		return
	}
	w.settle(ctx, d, err, cause)
}

// handle calls the handler and turns a panic into an error.
func (w *Worker) handle(ctx context.Context, m types.Message) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
	}()
	return w.handler.Handle(ctx, m)
}

// panicError is a handler's panic. It does not unwrap to the value, so that a
// Rejection that was thrown rejects nothing.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.value) }
