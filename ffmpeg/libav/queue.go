package libav

import (
	"context"
	"sync"
)

// A queue hands libav objects from one goroutine to the next, and the emptied
// ones back. It owns a fixed number of them, which bounds both how far one stage
// may run ahead and how much memory that takes.
type queue[T any] struct {
	full  chan T
	empty chan T
	all   []T
	free  func(T)
	end   sync.Once
}

// newQueue allocates size objects. alloc returns false when there is no memory.
func newQueue[T any](size int, alloc func() (T, bool), free func(T)) (*queue[T], bool) {
	q := &queue[T]{full: make(chan T, size), empty: make(chan T, size), free: free}
	for range size {
		v, ok := alloc()
		if !ok {
			q.Close()
			return nil, false
		}
		q.all = append(q.all, v)
		q.empty <- v
	}
	return q, true
}

// take returns an empty object to fill, once there is one.
func (q *queue[T]) take(ctx context.Context) (T, error) {
	select {
	case v := <-q.empty:
		return v, nil
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// put hands on what take returned. It never blocks: there is room for all.
func (q *queue[T]) put(v T) { q.full <- v }

// finish says that nothing more is put.
func (q *queue[T]) finish() { q.end.Do(func() { close(q.full) }) }

// next returns the next full object; false after finish and the last one.
func (q *queue[T]) next(ctx context.Context) (v T, ok bool, err error) {
	select {
	case v, ok = <-q.full:
		return v, ok, nil
	case <-ctx.Done():
		return v, false, context.Cause(ctx)
	}
}

// giveBack returns an object to the side that fills.
func (q *queue[T]) giveBack(v T) { q.empty <- v }

// Close frees the objects. No goroutine may be using one.
func (q *queue[T]) Close() {
	for _, v := range q.all {
		q.free(v)
	}
	q.all = nil
}
