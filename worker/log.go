package worker

// Messages of the worker's log lines. Those about one message carry keyMessageID
// and keyReceives, and keyDuration once it has been worked.
const (
	eventReceiveFailed    = "receive_failed"     // warn: the first of its kind in a row; see receive_recovered
	eventReceiveRecovered = "receive_recovered"  // info: with the number of receives that failed
	eventReceived         = "message_received"   // debug: with the time the message waited in the queue
	eventDone             = "message_done"       // info: worked and deleted
	eventRetry            = "message_retry"      // warn: failed, visible again after the delay; error: the handler panicked
	eventRejected         = "message_rejected"   // warn: sent to the dead-letter queue and deleted
	eventReleased         = "message_released"   // info: given back because the worker stops; nobody's fault
	eventAbandoned        = "message_abandoned"  // warn: the handler returned after its lease was lost
	eventLeaseLost        = "lease_lost"         // warn: the handler's context was cancelled
	eventHeartbeatFailed  = "heartbeat_failed"   // warn: tried again while the lease lasts
	eventDeleteFailed     = "delete_failed"      // error: worked, and will be delivered again
	eventVisibilityFailed = "visibility_failed"  // warn: could not be given back; its visibility timeout does it
	eventDeadLetterFailed = "dead_letter_failed" // error: rejected, but the dead-letter queue did not take it
	eventProtectionFailed = "protection_failed"  // warn: the work goes on without
	eventUnfit            = "machine_unfit"      // warn: no messages are received, and why; said again every minute
	eventRecovered        = "machine_recovered"  // info: they are again
	eventDraining         = "worker_draining"    // info: Run's context has ended
	eventHurried          = "worker_hurried"     // warn: Hurry was called while it drained
)

const (
	keyMessageID         = "message_id"
	keyReceives          = "receive_count"
	keyDuration          = "duration"
	keyDelay             = "delay"
	keyReason            = "reason"
	keyCause             = "cause"
	keyStack             = "stack"
	keyQueuedFor         = "queued_for"
	keyLeaseLeft         = "lease_left"
	keyFailures          = "failures"
	keyInFlight          = "in_flight"
	keyAttributesDropped = "attributes_dropped"
)
