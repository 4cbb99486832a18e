package jobs

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/mosaicd/mosaicd/ffmpeg"
	"github.com/mosaicd/mosaicd/jobs/collection"
	"github.com/mosaicd/mosaicd/jobs/event"
)

func versioned() *s3types.VersioningConfiguration {
	return &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusEnabled}
}

// TestResultForm: the names of a result's fields are a promise.
func TestResultForm(t *testing.T) {
	t.Parallel()
	percent := 42
	r := Result{
		Version: 1, ID: "id-1", Job: "id", Kind: "mosaic", Status: StatusFailed, Step: 1, Steps: 2, Route: "route", Source: "s3://a/b", SourceVersionID: "v", SourceETag: "e",
		Outputs:        []Output{{URI: "s3://c/d", Kind: "file", Group: "group", VersionID: "w", ETag: "f", MediaType: "video/mp4", Bytes: 1, DurationSeconds: 2.5, Width: 3, Height: 4, AverageBitrate: 5, Quality: 6.5}},
		OmittedOutputs: 1, Full: "s3://e/f",
		Error:     &ResultError{Code: "code", Message: "message"},
		StartedAt: time.Unix(1, 0).UTC(), FinishedAt: time.Unix(2, 0).UTC(), Percent: &percent,
		Stats: &Stats{
			Frames: 1, FramesCovered: 2, Faces: 3, DecodeErrors: 4, DroppedStreams: []string{"x"}, SourceBytes: 5,
			Repaired:        []ffmpeg.Repair{{Stream: 1, Timestamps: 2, FirstSeconds: 3.5, What: "y"}},
			DownloadSeconds: 6, DetectSeconds: 7, EncodeSeconds: 8, UploadSeconds: 9,
			Residual: &Residual{
				Faces: 1, AtSeconds: []float64{1.5}, VerifySeconds: 2,
				Sightings: []Sighting{{FromSeconds: 1.5, ToSeconds: 2.5, Left: 0.1, Top: 0.2, Width: 0.3, Height: 0.4}},
			},
		},
		Probe: &ffmpeg.Media{Format: "mov", Duration: 1, FileDuration: 1.5, VariableRate: true, Start: 0.5, Codec: "h264", Pixels: "yuv420p", Width: 2, Height: 3, Rotation: 90, FrameRate: 25, Streams: 4},
		Cloud: []CloudResult{{Settings: "hls", JobID: "1-a", Attempts: 2, Status: "ERROR", Warnings: []CloudWarning{{Code: 1, Count: 2}}, Error: &ResultError{Code: "c", Message: "m"}}},
		Faces: []collection.Face{{ID: "f-1", ExternalID: "anna", Image: "s3://a/anna.jpg"}}, OmittedFaces: 1,
		OmittedFields: []string{"probe"},
		Decision:      &Decision{ID: "d", Kind: "reject", Reason: "a face", At: time.Unix(0, 0).UTC()},
		Extra:         map[string]json.RawMessage{"title": json.RawMessage(`"Spring"`)},
	}
	for _, v := range []any{r, *r.Stats, *r.Error, *r.Probe, r.Cloud[0], r.Faces[0]} {
		for i := range reflect.ValueOf(v).NumField() {
			if reflect.ValueOf(v).Field(i).IsZero() {
				t.Errorf("%T.%s is not set here", v, reflect.TypeOf(v).Field(i).Name)
			}
		}
	}
	got, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/result.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != strings.TrimSpace(string(want)) {
		t.Errorf("a result is\n%s\nwant\n%s", got, want)
	}
}

func TestID(t *testing.T) {
	t.Parallel()
	if got, want := id("mosaic", "bucket", "key"), id("mosaic", "bucket", "key"); got != want || len(got) != 32 {
		t.Errorf("%s and %s", got, want)
	}
	seen := map[string]bool{}
	for _, parts := range [][]string{{"a", "bc"}, {"ab", "c"}, {"abc"}, {"a", "b", "c"}, {"abc", ""}, {"", "abc"}, {"1:a", ""}, {"", "1:a"}} {
		if v := id(parts...); seen[v] {
			t.Errorf("%q has another's id", parts)
		} else {
			seen[v] = true
		}
	}
}

func TestSettingsValidate(t *testing.T) {
	t.Parallel()
	if err := DefaultSettings().Validate(); err != nil {
		t.Error(err)
	}
	for says, change := range map[string]func(*Settings){
		`style: must be one of mosaic, blur, fill (got "smear")`:                                                  func(s *Settings) { s.Style = "smear" },
		"blocks: must be 2 to 64 (got 65)":                                                                        func(s *Settings) { s.Blocks = 65 },
		"blocks: must be 2 to 8, as a face can be made out again from finer cells; allow-weak takes them (got 9)": func(s *Settings) { s.Blocks = 9 },
		"margin: must be 0 to 2 (got -1)":                                                                         func(s *Settings) { s.Margin = -1 },
		`cover: must be one of all, strangers, listed (got "some")`:                                               func(s *Settings) { s.Cover = "some" },
		"similarity: must be 1 to 100 (got 101)":                                                                  func(s *Settings) { s.Similarity = 101 },
		"crf: must be 0 to 51 (got 52)":                                                                           func(s *Settings) { s.CRF = 52 },
		"threads: must be 0 to 256 (got -1)":                                                                      func(s *Settings) { s.Threads = -1 },
	} {
		s := DefaultSettings()
		change(&s)
		if err := s.Validate(); err == nil || err.Error() != says {
			t.Errorf("error is %v, want %s", err, says)
		}
	}
}

// TestSettingsAgreeWithRequests: what a message may ask for can be done.
func TestSettingsAgreeWithRequests(t *testing.T) {
	t.Parallel()
	for _, preset := range append(ffmpeg.Presets, "fastest") {
		for _, style := range []string{"mosaic", "blur", "fill", "smear"} {
			for _, number := range []int{-1, 0, 1, 2, 8, 9, 51, 52, 64, 65} {
				margin, weak := float64(number)/10, style == "mosaic"
				r := event.Request{
					Version: 1, Kind: KindMosaic, Source: event.Location{Bucket: "abc", Key: "a"}, Destination: event.Location{Bucket: "abc", Key: "b"},
					Options: event.Options{Style: style, Preset: preset, Blocks: &number, CRF: &number, Margin: &margin, AllowWeak: weak},
				}
				s := Settings{Style: style, Preset: preset, Blocks: number, CRF: number, Margin: margin, AllowWeak: weak}
				if a, b := r.Validate(), s.Validate(); (a == nil) != (b == nil) {
					t.Errorf("a message: %v; the settings: %v", a, b)
				}
			}
		}
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	good := Config{OutputBucket: "b", TopicARN: "t", Scratch: "s", Detector: DetectorBuiltin, Settings: DefaultSettings()}
	if err := good.withDefaults().Validate(); err != nil {
		t.Error(err)
	}
	for says, change := range map[string]func(*Config){
		"output bucket: missing":    func(c *Config) { c.OutputBucket = "" },
		"topic ARN: missing":        func(c *Config) { c.TopicARN = "" },
		"scratch: missing":          func(c *Config) { c.Scratch = "" },
		"rekognition topic ARN: mi": func(c *Config) { c.Detector = DetectorRekognition },
		"rekognition role: must be": func(c *Config) { c.Detector, c.Rekognition.TopicARN = DetectorRekognition, "t" },
		"detector: must be builtin": func(c *Config) { c.Detector = DetectorNone },
		"max source bytes: must":    func(c *Config) { c.MaxSourceBytes = -1 },
		"max attempts: must":        func(c *Config) { c.MaxAttempts = -1 },
		"style: must":               func(c *Config) { c.Settings.Style = "" },
		"lease: must":               func(c *Config) { c.Lease = time.Millisecond },
		"reconcile after: must":     func(c *Config) { c.ReconcileAfter = -1 },
		"state prefix: must end":    func(c *Config) { c.StatePrefix = "state" },
		"transcode prefix: must":    func(c *Config) { c.TranscodePrefix = "encoded" },
		"mediaconvert role: must":   func(c *Config) { c.Cloud.Role = "admin" },
		"mediaconvert priority: ":   func(c *Config) { c.Cloud.Priority = 51 },
		"mediaconvert acceleration": func(c *Config) { c.Cloud.Acceleration = "FASTER" },
		"mediaconvert status inter": func(c *Config) { c.Cloud.StatusInterval = "SECONDS_1" },
	} {
		c := good
		change(&c)
		if err := c.withDefaults().Validate(); err == nil || !strings.HasPrefix(err.Error(), says) {
			t.Errorf("error is %v, want %s", err, says)
		}
	}
}
