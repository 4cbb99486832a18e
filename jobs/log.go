package jobs

// Events that this package logs: the message of each line.
const (
	eventObjectIgnored   = "object_ignored"   // an event that asks for nothing
	eventJobStarted      = "job_started"      //
	eventJobProgress     = "job_progress"     // of a long job, at most every progressEvery
	eventJobSucceeded    = "job_succeeded"    //
	eventJobFailed       = "job_failed"       // for good: published as failed
	eventJobInterrupted  = "job_interrupted"  // the message comes again
	eventJobRepeated     = "job_repeated"     // it had ended before
	eventEngineCrashed   = "engine_crashed"   //
	eventResultPublished = "result_published" //
	eventLedgerFailed    = "ledger_failed"    // a result may be published once more
	eventScratchSwept    = "scratch_swept"    // at the start: a worker was killed here
)

// Keys of fields that several events have.
const (
	keyJob     = "job_id"
	keyMessage = "message_id"
	keyKind    = "kind"
	keySource  = "source"
)
