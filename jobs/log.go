package jobs

// Events that this package logs: the message of each line.
const (
	eventObjectIgnored   = "object_ignored"   // an event that asks for nothing
	eventEventIgnored    = "event_ignored"    // one that is about no object
	eventJobStarted      = "job_started"      //
	eventJobProgress     = "job_progress"     // of a long job, at most every progressEvery
	eventJobAltered      = "job_altered"      // the output lacks something of the source, or timestamps were repaired
	eventJobVerified     = "job_verified"     // the output was looked at
	eventJobSucceeded    = "job_succeeded"    //
	eventJobReview       = "job_review"       // a person has to look at its output
	eventJobDecided      = "job_decided"      // a person looked at its output
	eventOutputDeleted   = "output_deleted"   // that a person rejected
	eventOutputKept      = "output_kept"      // though a person rejected it
	eventJobFailed       = "job_failed"       // for good: published as failed
	eventJobInterrupted  = "job_interrupted"  // the message comes again
	eventJobBusy         = "job_busy"         // another worker has it: the message comes again
	eventJobRepeated     = "job_repeated"     // it had ended before
	eventEngineCrashed   = "engine_crashed"   //
	eventTransferDamaged = "transfer_damaged" // what was transferred doesn't match S3's checksum
	eventResultPublished = "result_published" //
	eventClaimFailed     = "claim_failed"     // the record of a job could not be written
	eventJobCancelled    = "job_cancelled"    //
	eventJobSuperseded   = "job_superseded"   // a newer upload of the same source was worked already
	eventJobDispatched   = "job_dispatched"   // MediaConvert has it
	eventCloudProgress   = "cloud_progress"   // MediaConvert says how far it is
	eventCloudWarning    = "cloud_warning"    //
	eventCloudEnded      = "cloud_ended"      // MediaConvert says what came of a job
	eventCloudIgnored    = "cloud_ignored"    // MediaConvert says it of a job that isn't ours, or again
	eventCloudCancelled  = "cloud_cancelled"  // that of an older upload, before a newer one's is made
	eventCloudAsked      = "cloud_asked"      // MediaConvert was silent for too long about a job
	eventSearchStarted   = "search_started"   // Rekognition looks for faces
	eventSearchCopied    = "search_copied"    // into a container that Rekognition reads
	eventCopyKept        = "copy_kept"        // that copy could not be deleted
	eventSearchFallback  = "search_fallback"  // the built-in detector looks instead
	eventSearchEnded     = "search_ended"     //
	eventSearchFetched   = "search_fetched"   // all pages of its result
	eventSearchIgnored   = "search_ignored"   // its notice is of a search that isn't ours, or comes again
	eventReconcileFailed = "reconcile_failed" //
	eventSourceDisposed  = "source_disposed"  // tagged, moved or deleted, as the route says
	eventSourceKept      = "source_kept"      // though the route says otherwise
	eventIndexFailed     = "index_failed"     // mosaicd jobs may miss the job, or show it late
	eventScratchSwept    = "scratch_swept"    // at the start: a worker was killed here
)

// Keys of fields that several events have.
const (
	keyJob      = "job_id"
	keyMessage  = "message_id"
	keyKind     = "kind"
	keySource   = "source"
	keySearch   = "rekognition_job_id"
	keyCloudJob = "mediaconvert_job_id"
)
