package main

import (
	"testing"

	"github.com/mosaicd/mosaicd/jobs/faces"
)

// TestLeaks holds the tracks to what docs/faces.md promises, on videos that they
// were not tuned with.
func TestLeaks(t *testing.T) {
	t.Parallel()
	names, ours, theirs := run(checking(20), faces.DefaultMargin)
	for _, name := range names {
		f := ours[name]
		// A face that comes, goes or is hidden while nobody looked can't be known of.
		least, most := 0.998, 2.5
		if name == "occlusion" || name == "cut" {
			least, most = 0.996, 3.15
		}
		if f.share() < least || f.over() > most {
			t.Errorf("%s: %.3f %% of the frames are covered, with %.2f times the area", name, 100*f.share(), f.over())
		}
		if theirs[name].share() > f.share() {
			t.Errorf("%s: the plain method covers more: %.3f %%", name, 100*theirs[name].share())
		}
	}
}
