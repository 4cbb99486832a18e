package jobs

import "github.com/mosaicd/mosaicd/jobs/event"

// IDs returns the ids of the jobs that a message starts or goes on with, as far as
// they follow from it: an upload starts a job only where its route says so, and the
// job of a request without a token has an id that only SQS knows.
func IDs(events []event.Event) []string {
	var ids []string
	for _, e := range events {
		switch e := e.(type) {
		case event.ObjectCreated:
			if event.IsSidecar(e.Key) {
				ids = append(ids, sidecarID(e))
				continue
			}
			ids = append(ids, uploadID(e))
		case event.Request:
			switch {
			case e.Decides():
				ids = append(ids, e.Job)
			case e.Token != "":
				ids = append(ids, e.Token)
			}
		case event.MediaConvertChanged:
			if ref, ok := refOf(e.UserMetadata); ok {
				ids = append(ids, ref.job)
			}
		case event.FaceSearchEnded:
			if job := jobID.FindString(e.JobTag); job != "" {
				ids = append(ids, job)
			}
		}
	}
	return ids
}

func uploadID(e event.ObjectCreated) string {
	return id(append([]string{"upload"}, cause(e)...)...)
}

func sidecarID(e event.ObjectCreated) string {
	return id(append([]string{"sidecar"}, cause(e)...)...)
}

// cause tells the writes of objects apart.
func cause(e event.ObjectCreated) []string {
	parts := []string{e.Bucket, e.Key, e.VersionID, e.ETag, e.Sequencer}
	if e.EventID != "" {
		parts = append(parts, e.EventID)
	}
	return parts
}
