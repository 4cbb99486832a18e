package ffmpeg

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestSpecReader(t *testing.T) {
	t.Parallel()
	for _, want := range []Spec{
		{Op: OpProbe, Input: "a"},
		{Op: OpMosaic, Input: "a", Tracks: json.RawMessage(`[[[0,0,0,1,1]]]`), Blocks: 8, Sandbox: Sandbox{CPUSeconds: 1}},
	} {
		r, err := want.reader()
		if err != nil {
			t.Fatal(err)
		}
		got, err := NewConversation(r, nil).Spec()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}
