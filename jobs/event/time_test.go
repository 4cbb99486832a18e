package event

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, 11, 21, 11, 5, 8, 861321000, time.UTC)
	for _, text := range []string{"2026-11-21T11:05:08.861321Z", "2026-11-21T12:05:08.861321+01:00", "2026-11-21T11:05:08.861321"} {
		if got, err := parseTime("Time", text); err != nil || !got.Equal(want) {
			t.Errorf("%s is %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"2026-11-21", "yesterday", "2026-11-21T25:05:08", "0000-01-01T00:00:00+23:00"} {
		if got, err := parseTime("Time", text); err == nil {
			t.Errorf("%s is %s", text, got)
		}
	}
}
