package jobs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/transcode"
)

// judgeJobFile refuses a job file that decides what its writer may not: of one that lies
// where uploads go to what the route doesn't allow, of one that came in a message buckets
// that messages may not name.
func (c Config) judgeJobFile(job Job, step Step, d jobFile) error {
	message := step.Transcode.Document != nil
	if !message && (d.at.Bucket == "" || d.at.Bucket != job.Source.Bucket && !c.TakesUploads(d.at.Bucket)) {
		return nil // the operator's: of this machine, of MediaConvert, or of a bucket without uploads
	}
	uses, err := d.Uses()
	if err != nil {
		return &Failure{Code: CodeInvalidSettings, Err: err}
	}
	for _, use := range uses {
		if message {
			err = c.judgeNamed(use)
		} else if !c.usual(use, step) && !slices.Contains(step.Transcode.JobFiles.Allow, use.Power) {
			err = failf(CodeNotAllowed, "job file %q: %s: a job file among the uploads may not set it: leave it out, "+
				"move the job files to a bucket that no uploads go to (jobFiles.from or settings in the route), "+
				"or add %s to jobFiles.allow", d.at, use.Path, use.Power)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// judgeNamed refuses what a job file in a message names of buckets that messages may not.
func (c Config) judgeNamed(use transcode.Use) error {
	rest, ok := strings.CutPrefix(strings.ToLower(use.Value), "s3://")
	if use.Power != transcode.PowerInputs || !ok {
		return nil
	}
	bucket, _, _ := strings.Cut(rest, "/")
	switch field := use.Path[strings.LastIndexByte(use.Path, '.')+1:]; {
	case strings.Contains(field, "Destination"):
		if !c.mayWrite(bucket) {
			return failf(CodeNotAllowed, "settings: %s: messages may not write to bucket %q: "+
				"--output-buckets names those that they may", use.Path, bucket)
		}
	case !c.mayRead(bucket):
		return failf(CodeNotAllowed, "settings: %s: messages may not read bucket %q: "+
			"--source-buckets names those that they may", use.Path, bucket)
	}
	return nil
}

// usual reports whether a job file only repeats what the job would have anyway, as what
// MediaConvert prints of a job does.
func (c Config) usual(use transcode.Use, step Step) bool {
	o, cfg := step.Transcode, c.Cloud
	name := func(queue string) string { return queue[strings.LastIndexByte(queue, '/')+1:] }
	switch {
	case use.Path == "Role":
		return o.Role != "" || use.Value == cfg.Role
	case use.Path == "Queue":
		return o.Queue != "" || name(use.Value) == name(cfg.Queue) || cfg.Queue == "" && name(use.Value) == "Default"
	case use.Power == transcode.PowerPriority:
		return o.Priority != nil || use.Value == strconv.Itoa(cfg.Priority)
	case use.Power == transcode.PowerAcceleration:
		return o.Acceleration != "" || use.Value == cfg.Acceleration
	}
	return false
}

// judgePlan refuses output groups that leave the folder of their job, or reach into the
// records of jobs: the path of a group's destination and the names of its outputs are a
// job file's own.
func (c Config) judgePlan(groups []transcode.Group, folder event.Location) error {
	root, _, _ := strings.Cut(folder.Key, "$") // tokens are times, sizes and the like
	for _, g := range groups {
		ends := []string{""}
		for _, o := range g.Outputs {
			ends = append(ends, o.Modifier+o.Extension)
		}
		for _, end := range slices.Concat(ends, g.Playlists) {
			at := location(g.Base + end)
			literal, _, _ := strings.Cut(at.Key, "$")
			within := at.Bucket == folder.Bucket && strings.HasPrefix(literal, root)
			state := at.Bucket == c.OutputBucket && literal != "" && strings.HasPrefix(c.StatePrefix, literal)
			if !within || state {
				return failf(CodeNotAllowed, "output group %s: %q is outside its folder %s", groupName(g), at, folder)
			}
			if err := c.judgeDestination(event.Location{Bucket: at.Bucket, Key: literal}); err != nil {
				return fmt.Errorf("output group %s: %w", groupName(g), err)
			}
		}
	}
	return nil
}

// outside returns a place that an event reports and its job does not write to: what is
// reported is looked up, and whoever may send to the queue may write events.
func (c Config) outside(reported []event.OutputGroup, planned []transcode.Group) (event.Location, bool) {
	within := func(at event.Location) bool {
		for _, g := range planned {
			base := location(g.Base)
			literal, _, _ := strings.Cut(base.Key, "$")
			if at.Bucket == base.Bucket && strings.HasPrefix(at.Key, folderOf(literal)) {
				return true
			}
		}
		return len(planned) == 0 && c.mayWrite(at.Bucket) // a job template says where
	}
	for _, g := range reported {
		paths := slices.Clone(g.Playlists)
		for _, o := range g.Outputs {
			paths = append(paths, o.Paths...)
		}
		for _, path := range paths {
			if at := location(path); !within(at) {
				return at, true
			}
		}
	}
	return event.Location{}, false
}

func groupName(g transcode.Group) string {
	if g.Name != "" {
		return strconv.Quote(g.Name)
	}
	return g.Type
}
