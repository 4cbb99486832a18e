package jobs

import (
	"fmt"
	"strings"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// Preview returns the job that an object would start, without looking at it, or
// the reason why it would start none. The content type is what S3 would say.
func Preview(e event.ObjectCreated, contentType string, c Config) (job *Job, reason string, err error) {
	c = c.withDefaults()
	if c.ours(e.Location()) {
		return nil, reasonOurs, nil
	}
	if reason := c.strange(e.Bucket); reason != "" {
		return nil, reason, nil
	}
	if event.IsSidecar(e.Key) {
		if !c.Routes.TakesSidecars(e.Bucket) {
			return nil, reasonNoSidecars, nil
		}
		return nil, "by itself; what it starts follows from the video that it names: " + sidecars(c.Routes, e.Bucket), nil
	}
	route, err := c.Routes.Match(routes.Object{
		Location: e.Location(), Bytes: e.Size, ContentType: func() (string, error) { return contentType, nil },
	})
	if err != nil {
		return nil, "", fmt.Errorf("find the route of %s: %w", e.Location(), err)
	}
	if reason := idleReason(e, route); reason != "" {
		return nil, reason, nil
	}
	j, err := fromUpload(e, route, c)
	if err != nil {
		return nil, "", err
	}
	for i, s := range j.Steps {
		if s.Kind == KindTranscode && s.Destination.Bucket == "" {
			j.Steps[i].Destination = event.Location{Bucket: c.OutputBucket, Key: c.TranscodePrefix + c.apart(j.title()) + "/{job file}/"}
		}
	}
	return &j, "", nil
}

// sidecars say what a clip.json of a bucket may do, by the route of its video.
func sidecars(table *routes.Routes, bucket string) string {
	var all []string
	for _, r := range table.Routes {
		if r.Match.Bucket(bucket) {
			all = append(all, "of route "+r.Name+" it "+r.Sidecar.String())
		}
	}
	return strings.Join(all, "; ")
}

const reasonNoSidecars = "no route takes a " + event.SidecarName + " there: sidecar in the routes allows them"

const reasonOurs = "it lies where mosaicd writes"

// idleReason says why an object that was created starts no job; empty: it does.
func idleReason(e event.ObjectCreated, route *routes.Route) string {
	switch {
	case route == nil:
		return "no route is for it"
	case strings.HasSuffix(e.Key, "/") && e.Size == 0:
		return "it is a folder"
	case e.Size == 0:
		return "it is empty"
	case len(route.Steps) == 0:
		return "route " + route.Name + " has no steps"
	case route.Sidecar.Wait:
		return "route " + route.Name + " waits for a " + event.SidecarName + " that names it"
	}
	return ""
}
