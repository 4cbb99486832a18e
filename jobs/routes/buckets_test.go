package routes

import (
	"slices"
	"testing"
)

func TestBuckets(t *testing.T) {
	t.Parallel()
	r, err := Parse("r.yaml", []byte(`version: 1
routes:
  - {name: a, match: {bucket: [uploads, 'team-*']}, steps: [remux: {destination: 's3://{bucket}-raw/{key}.mp4'}, transcode: {ladder: {720: s3://config/a.json, 1080: full}}]}
  - {name: b, match: {bucket: private}, steps: []}
  - {name: c, match: {bucket: '*', prefix: c/}, steps: [mosaic: {destination: 's3://covered/{key}'}]}
  - {name: d, match: {bucket: late}, steps: [transcode: {settings: ./local.json, destination: 's3://{job}/'}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Named(), []string{"config", "late", "team-*", "uploads"}; !slices.Equal(got, want) {
		t.Errorf("named are %v, want %v", got, want)
	}
	if got, want := r.Destinations(), []string{"covered", "team-*-raw", "uploads-raw"}; !slices.Equal(got, want) {
		t.Errorf("destinations are %v, want %v", got, want)
	}
	if !r.Takes("anything") || !Default().Takes("anything") {
		t.Error("a route for every bucket takes uploads in any")
	}
	r.Routes = slices.Delete(r.Routes, 2, 3)
	for bucket, want := range map[string]bool{"uploads": true, "team-7": true, "private": false, "config": false, "late": true} {
		if r.Takes(bucket) != want {
			t.Errorf("takes uploads in %s: %v", bucket, !want)
		}
	}
}
