package event

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// MediaConvertChanged is EventBridge's "MediaConvert Job State Change".
// https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_event_list.html
type MediaConvertChanged struct {
	JobID        string
	Status       string // PROGRESSING, STATUS_UPDATE, INPUT_INFORMATION, NEW_WARNING, QUEUE_HOP, COMPLETE, ERROR or CANCELED
	Time         time.Time
	Queue        string // ARN
	Region       string
	UserMetadata map[string]string

	Percent *int   // of STATUS_UPDATE; nil where MediaConvert doesn't know
	Phase   string // of STATUS_UPDATE: PROBING, TRANSCODING or UPLOADING

	Inputs   []MediaConvertInput // of INPUT_INFORMATION
	Groups   []OutputGroup       // of COMPLETE
	Warnings []Warning           // of COMPLETE, and the one of NEW_WARNING

	ErrorCode    int // of ERROR
	ErrorMessage string
}

// MediaConvertInput is what MediaConvert says of one input's first video.
type MediaConvertInput struct {
	URI           string
	Width, Height int // as coded; 0 for an input without video
}

// An OutputGroup is what MediaConvert says that it wrote.
// https://docs.aws.amazon.com/mediaconvert/latest/ug/output-file-names-and-paths.html
type OutputGroup struct {
	Type      string // FILE_GROUP, HLS_GROUP, DASH_ISO_GROUP, CMAF_GROUP, MS_SMOOTH_GROUP, or one that came later
	Playlists []string
	Outputs   []OutputDetail
}

// OutputDetail is one output of a group. What MediaConvert leaves out is zero.
type OutputDetail struct {
	Paths          []string // s3:// URIs; of frame captures only the last
	Duration       time.Duration
	Width, Height  int
	AverageBitrate int     // bits/s
	Quality        float64 // average QVBR score, 0 to 10
}

// A Warning is one that MediaConvert gave.
type Warning struct {
	Code    int
	Count   int    // 0 where it isn't said
	Message string // empty where it isn't said
}

func (MediaConvertChanged) isEvent() {}

// mediaConvertChange is what EventBridge calls such an event.
const mediaConvertChange = "MediaConvert Job State Change"

var mediaConvertStatuses = []string{
	"PROGRESSING", "STATUS_UPDATE", "INPUT_INFORMATION", "NEW_WARNING", "QUEUE_HOP", "COMPLETE", "ERROR", "CANCELED",
}

// A mediaConvertDetail is what is read of such an event, whatever its status. The
// job's id is in the event's resources too, but not always whole.
type mediaConvertDetail struct {
	Timestamp    int64             `json:"timestamp"` // ms since 1970
	Queue        string            `json:"queue"`
	JobID        string            `json:"jobId"`
	Status       string            `json:"status"`
	UserMetadata map[string]string `json:"userMetadata"`
	JobProgress  struct {
		JobPercentComplete *float64 `json:"jobPercentComplete"`
		CurrentPhase       string   `json:"currentPhase"`
	} `json:"jobProgress"`
	InputDetails []struct {
		URI   string `json:"uri"`
		Video []struct {
			Width  uint32 `json:"width"`
			Height uint32 `json:"height"`
		} `json:"video"`
	} `json:"inputDetails"`
	OutputGroupDetails []struct {
		Type              string         `json:"type"`
		PlaylistFilePaths []string       `json:"playlistFilePaths"`
		OutputDetails     []outputDetail `json:"outputDetails"`
	} `json:"outputGroupDetails"`
	Warnings []struct {
		Code  json.RawMessage `json:"code"`
		Count uint32          `json:"count"`
	} `json:"warnings"`
	WarningCode    json.RawMessage `json:"warningCode"` // a string
	WarningMessage string          `json:"warningMessage"`
	ErrorCode      json.RawMessage `json:"errorCode"`
	ErrorMessage   string          `json:"errorMessage"`
}

type outputDetail struct {
	OutputFilePaths []string `json:"outputFilePaths"`
	DurationInMs    uint32   `json:"durationInMs"`
	VideoDetails    struct {
		WidthInPx      uint32 `json:"widthInPx"`
		HeightInPx     uint32 `json:"heightInPx"`
		AverageBitrate uint32 `json:"averageBitrate"`
		// One and the same: AWS shows both.
		QVBRAvgQuality   float64 `json:"qvbrAvgQuality"`
		AverageQVBRScore float64 `json:"averageQVBRScore"`
	} `json:"videoDetails"`
}

func (b bridged) mediaConvert() (Event, error) {
	var d mediaConvertDetail
	if err := b.detail(&d); err != nil {
		return nil, err
	}
	if err := checkID("detail.jobId", d.JobID); err != nil {
		return nil, err
	}
	if !slices.Contains(mediaConvertStatuses, d.Status) {
		reason := fmt.Sprintf("MediaConvert job %s has the unknown status %s: this worker knows %s", d.JobID, quote(d.Status), strings.Join(mediaConvertStatuses, ", "))
		return Ignored{Name: b.Name, Reason: reason}, nil
	}
	at, err := parseMillis("detail.timestamp", d.Timestamp)
	if err != nil {
		return nil, err
	}
	if at.IsZero() {
		at = b.at
	}
	changed := MediaConvertChanged{
		JobID:        d.JobID,
		Status:       d.Status,
		Time:         at,
		Queue:        d.Queue,
		Region:       b.Region,
		UserMetadata: d.UserMetadata,
		Percent:      percent(d.JobProgress.JobPercentComplete),
		Phase:        d.JobProgress.CurrentPhase,
		Inputs:       d.inputs(),
		Groups:       d.groups(),
		ErrorMessage: d.ErrorMessage,
	}
	if changed.Warnings, err = d.warnings(); err != nil {
		return nil, err
	}
	if err := (field{"detail.errorCode", d.ErrorCode}).code(&changed.ErrorCode); err != nil {
		return nil, err
	}
	return changed, nil
}

// percent is a whole one.
func percent(of *float64) *int {
	if of == nil {
		return nil
	}
	return new(int(min(max(*of, 0), 100)))
}

func (d *mediaConvertDetail) inputs() []MediaConvertInput {
	var inputs []MediaConvertInput
	for _, in := range d.InputDetails {
		input := MediaConvertInput{URI: in.URI}
		if len(in.Video) > 0 {
			input.Width, input.Height = int(in.Video[0].Width), int(in.Video[0].Height)
		}
		inputs = append(inputs, input)
	}
	return inputs
}

func (d *mediaConvertDetail) groups() []OutputGroup {
	var groups []OutputGroup
	for _, g := range d.OutputGroupDetails {
		group := OutputGroup{Type: g.Type, Playlists: g.PlaylistFilePaths}
		for _, o := range g.OutputDetails {
			group.Outputs = append(group.Outputs, o.detail())
		}
		groups = append(groups, group)
	}
	return groups
}

func (o outputDetail) detail() OutputDetail {
	video := o.VideoDetails
	return OutputDetail{
		Paths:          o.OutputFilePaths,
		Duration:       time.Duration(o.DurationInMs) * time.Millisecond,
		Width:          int(video.WidthInPx),
		Height:         int(video.HeightInPx),
		AverageBitrate: int(video.AverageBitrate),
		Quality:        cmp.Or(video.QVBRAvgQuality, video.AverageQVBRScore),
	}
}

func (d *mediaConvertDetail) warnings() ([]Warning, error) {
	var warnings []Warning
	for i, w := range d.Warnings {
		warning := Warning{Count: int(w.Count)}
		if err := (field{fmt.Sprintf("detail.warnings[%d].code", i), w.Code}).code(&warning.Code); err != nil {
			return nil, err
		}
		warnings = append(warnings, warning)
	}
	if len(d.WarningCode) == 0 {
		return warnings, nil
	}
	warning := Warning{Message: d.WarningMessage}
	if err := (field{"detail.warningCode", d.WarningCode}).code(&warning.Code); err != nil {
		return nil, err
	}
	return append(warnings, warning), nil
}
