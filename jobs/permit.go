package jobs

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/mosaicd/mosaicd/jobs/event"
	"github.com/mosaicd/mosaicd/jobs/faces"
	"github.com/mosaicd/mosaicd/jobs/routes"
)

// permit refuses a clip.json whose video has a route that doesn't let it set what it
// sets. Whether that takes covers away is judged by permitSteps and permitCover.
func permit(s event.Sidecar, r *routes.Route) error {
	if !r.Sidecar.On {
		return failf(CodeNotAllowed, "route %s takes no %s: the operator can allow that with sidecar in the routes",
			r.Name, event.SidecarName)
	}
	for _, field := range s.Fields {
		if !r.Sidecar.May(field) {
			return failf(CodeNotAllowed, "%s: route %s does not let a %s set it: the operator can add it to sidecar.allow",
				field, r.Name, event.SidecarName)
		}
	}
	return nil
}

// permitSteps refuses steps that leave out one of the route's.
func permitSteps(steps []string, r *routes.Route) error {
	if steps == nil || r.Sidecar.MayWeaken("steps") {
		return nil
	}
	for _, s := range r.Steps {
		if !slices.Contains(steps, s.Kind) {
			return failf(CodeNotAllowed, "steps: %s is missing, and route %s does not let a %s leave out steps: "+
				"the operator can add steps to sidecar.weaken", s.Kind, r.Name, event.SidecarName)
		}
	}
	return nil
}

// permitCover refuses a cover that hides less than the route's.
func permitCover(route, asked Step, r *routes.Route) error {
	fields := weaker(route.Settings, asked.Settings)
	if asked.Regions != nil {
		said, err := regions(asked)
		if err != nil {
			return err
		}
		said.Add = nil
		if !reflect.DeepEqual(said, faces.Regions{}) { // all else leaves covers out
			fields = append(fields, "regions")
		}
	}
	for _, field := range fields {
		if !r.Sidecar.MayWeaken(field) {
			return failf(CodeNotAllowed, "%s: less would be covered than by route %s, which does not let a %s do that: "+
				"the operator can add %s to sidecar.weaken", field, r.Name, event.SidecarName, field)
		}
	}
	return nil
}

// weaker returns the fields by which one cover may hide less than another. Blur holds
// no more of a face than a mosaic of as many cells, and fill holds nothing.
func weaker(than, s Settings) []string {
	strength := func(style string) int {
		if style == "fill" {
			return 1
		}
		return 0
	}
	var fields []string
	add := func(field string, weaker bool) {
		if weaker {
			fields = append(fields, field)
		}
	}
	add("style", strength(s.Style) < strength(than.Style))
	add("blocks", s.Blocks > than.Blocks)
	add("allowWeak", s.AllowWeak && !than.AllowWeak)
	add("margin", !(s.Margin >= than.Margin))
	cover, was := cmp.Or(s.Cover, faces.CoverAll), cmp.Or(than.Cover, faces.CoverAll)
	add("cover", cover != was && cover != faces.CoverAll)
	// Other people are known, and others found: nobody can say that it is not weaker.
	add("collection", s.Collection != than.Collection)
	similarity, before := cmp.Or(s.Similarity, faces.DefaultSimilarity), cmp.Or(than.Similarity, faces.DefaultSimilarity)
	add("similarity", cover == faces.CoverStrangers && similarity < before || cover == faces.CoverListed && similarity > before)
	return fields
}

// permitDestination refuses a destination outside the folder that the route writes to
// for this video: an uploader must not write where others' outputs are expected. Own is
// what the route has for the last step, region the folder that the route names for
// destinations of a clip.json, if it does.
func (c Config) permitDestination(to, own, region event.Location, r *routes.Route) error {
	folder := own
	folder.Key = folderOf(own.Key)
	inside := to.Bucket == folder.Bucket && strings.HasPrefix(to.Key, folder.Key)
	switch {
	case region.Bucket != "":
		folder = region
		inside = to.Bucket == region.Bucket && strings.HasPrefix(to.Key, region.Key)
	case own.Key != folder.Key: // an object
		inside = inside && folderOf(to.Key) == folder.Key
	}
	if !inside || c.ours(to) && !c.ours(own) {
		return failf(CodeNotAllowed, "destination: %q is outside %s, where route %s lets a %s write for this video: "+
			"the operator can name another folder in sidecar.destination", to, folder, r.Name, event.SidecarName)
	}
	return c.judgeDestination(to)
}
