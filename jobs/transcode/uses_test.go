package transcode_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mosaicd/mosaicd/jobs/transcode"
)

func TestUses(t *testing.T) {
	t.Parallel()
	job := func(more, settings string) string {
		return `{` + more + `"Settings":{"Inputs":[{"FileInput":"s3://elsewhere/a.mp4"` + settings + `"OutputGroups":[{"OutputGroupSettings":{"Type":"FILE_GROUP_SETTINGS",
			"FileGroupSettings":{"Destination":"s3://placeholder/x/"}},"Outputs":[{"ContainerSettings":{"Container":"MP4"}}]}]}}`
	}
	group := func(s string) string {
		return `{"OutputGroups":[{"OutputGroupSettings":` + s + `,"Outputs":[{"ContainerSettings":{"Container":"M3U8"}}]}]}`
	}
	for name, ca := range map[string]struct {
		body string
		want string // power and path of each use
	}{
		"none":            {job(``, `}],`), ""},
		"as printed":      {job(`"UserMetadata":{"a":"b"},"Tags":{},"BillingTagsSource":"JOB","StatusUpdateInterval":"SECONDS_10","SimulateReservedQueue":"DISABLED",`, `}],`), ""},
		"role":            {job(`"Role":"arn:aws:iam::000000000000:role/admin",`, `}],`), "role Role"},
		"queue":           {job(`"Queue":"q","HopDestinations":[{"Queue":"r","WaitMinutes":5}],"SimulateReservedQueue":"ENABLED",`, `}],`), "queue Queue, queue HopDestinations[0], queue SimulateReservedQueue"},
		"priority":        {job(`"Priority":50,`, `}],`), "priority Priority"},
		"acceleration":    {job(`"AccelerationSettings":{"Mode":"ENABLED"},`, `}],`), "acceleration AccelerationSettings"},
		"tags":            {job(`"Tags":{"b":"1","a":"2"},"BillingTagsSource":"QUEUE",`, `}],`), "tags Tags.a, tags Tags.b, tags BillingTagsSource"},
		"template":        {job(`"JobTemplate":"t",`, `}],`), "template JobTemplate"},
		"second input":    {job(``, `},{"FileInput":"s3://secret/b.mp4"}],`), "inputs Settings.Inputs[1], inputs Settings.Inputs[1].FileInput"},
		"a generator":     {job(``, `},{"VideoGenerator":{"Duration":1000}}],`), "inputs Settings.Inputs[1]"},
		"external audio":  {job(``, `,"AudioSelectors":{"Audio Selector 1":{"ExternalAudioFileInput":"s3://secret/a.wav"}}}],`), `inputs Settings.Inputs[0].AudioSelectors["Audio Selector 1"].ExternalAudioFileInput`},
		"captions":        {job(``, `,"CaptionSelectors":{"c":{"SourceSettings":{"SourceType":"SRT","FileSourceSettings":{"SourceFile":"https://evil.example/a.srt"}}}}}],`), "inputs Settings.Inputs[0].CaptionSelectors.c.SourceSettings.FileSourceSettings.SourceFile"},
		"IMF":             {job(``, `,"SupplementalImps":["s3://secret/imp/"]}],`), "inputs Settings.Inputs[0].SupplementalImps[0]"},
		"overlay":         {job(``, `,"ImageInserter":{"InsertableImages":[{"ImageInserterInput":"s3://secret/a.png"}]}}],`), "inputs Settings.Inputs[0].ImageInserter.InsertableImages[0].ImageInserterInput"},
		"overlay of all":  {job(``, `}],"MotionImageInserter":{"Input":"s3://secret/a.mov"},`), "inputs Settings.MotionImageInserter.Input"},
		"watermarks' log": {job(``, `}],"KantarWatermark":{"LogDestination":"s3://secret/log/"},`), "inputs Settings.KantarWatermark.LogDestination"},
		"public": {group(`{"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"DestinationSettings":{"S3Settings":{"AccessControl":{"CannedAcl":"PUBLIC_READ"}}}}}`),
			"storage Settings.OutputGroups[0].OutputGroupSettings.HlsGroupSettings.DestinationSettings.S3Settings.AccessControl"},
		"KMS, archived": {group(`{"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"DestinationSettings":{"S3Settings":{"Encryption":{"EncryptionType":"SERVER_SIDE_ENCRYPTION_KMS"},"StorageClass":"GLACIER"}}}}`),
			"storage Settings.OutputGroups[0].OutputGroupSettings.HlsGroupSettings.DestinationSettings.S3Settings.Encryption, storage Settings.OutputGroups[0].OutputGroupSettings.HlsGroupSettings.DestinationSettings.S3Settings.StorageClass"},
		"as S3 does": {group(`{"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"DestinationSettings":{"S3Settings":{"Encryption":{"EncryptionType":"SERVER_SIDE_ENCRYPTION_S3"},"StorageClass":"STANDARD"}}}}`), ""},
		"keys": {group(`{"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"BaseUrl":"https://evil.example/","Encryption":{"Type":"SPEKE","SpekeKeyProvider":{"Url":"https://evil.example/k","ResourceId":"r","SystemIds":["a"]}}}}`),
			"inputs Settings.OutputGroups[0].OutputGroupSettings.HlsGroupSettings.BaseUrl, inputs Settings.OutputGroups[0].OutputGroupSettings.HlsGroupSettings.Encryption.SpekeKeyProvider.Url"},
		"another group's": {group(`{"Type":"HLS_GROUP_SETTINGS","HlsGroupSettings":{"Destination":"s3://a/"},"FileGroupSettings":{"Destination":"s3://b/"}}`),
			"inputs Settings.OutputGroups[0].OutputGroupSettings.FileGroupSettings.Destination"},
	} {
		d, err := transcode.Parse("x.json", []byte(ca.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		all, err := d.Uses()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, u := range all {
			if !slices.Contains(transcode.Powers(), u.Power) {
				t.Errorf("%s: power %s", name, u.Power)
			}
			got = append(got, u.Power+" "+u.Path)
		}
		if got := strings.Join(got, ", "); got != ca.want {
			t.Errorf("%s: uses\n%s\nwant\n%s", name, got, ca.want)
		}
	}
}
