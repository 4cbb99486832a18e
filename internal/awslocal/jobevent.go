package awslocal

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// A bridgeEvent is an event as EventBridge sends it.
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
type bridgeEvent struct {
	Version    string   `json:"version"`
	ID         string   `json:"id"`
	DetailType string   `json:"detail-type"`
	Source     string   `json:"source"`
	Account    string   `json:"account"`
	Time       string   `json:"time"`
	Region     string   `json:"region"`
	Resources  []string `json:"resources"`
	Detail     any      `json:"detail"`
}

func newBridgeEvent(source, detailType, resource string, at time.Time, detail any) bridgeEvent {
	return bridgeEvent{
		Version: "0", ID: requestID(), DetailType: detailType, Source: source, Account: AccountID,
		Time: at.UTC().Format(time.RFC3339), Region: Region, Resources: []string{resource}, Detail: detail,
	}
}

// A jobEvent is the detail of a "MediaConvert Job State Change".
// https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_event_list.html
type jobEvent struct {
	Timestamp    int64              `json:"timestamp"` // milliseconds
	AccountID    string             `json:"accountId"`
	Queue        string             `json:"queue"`
	JobID        string             `json:"jobId"`
	Status       string             `json:"status"`
	UserMetadata map[string]string  `json:"userMetadata"`
	Groups       []outputGroupEvent `json:"outputGroupDetails,omitempty"`
	ErrorCode    int                `json:"errorCode,omitempty"`
	ErrorMessage string             `json:"errorMessage,omitempty"`
	Frames       int                `json:"framesDecoded,omitempty"`
	Progress     any                `json:"jobProgress,omitempty"`
	Inputs       any                `json:"inputDetails,omitempty"`

	arn string
	at  time.Time
}

type outputGroupEvent struct {
	Type      string        `json:"type"`
	Playlists []string      `json:"playlistFilePaths,omitempty"`
	Outputs   []outputEvent `json:"outputDetails"`
}

type outputEvent struct {
	Paths    []string           `json:"outputFilePaths,omitempty"`
	Duration int                `json:"durationInMs"`
	Video    *outputVideoDetail `json:"videoDetails,omitempty"`
}

type outputVideoDetail struct {
	Width   int     `json:"widthInPx"`
	Height  int     `json:"heightInPx"`
	Average float64 `json:"qvbrAvgQuality"`
}

// fill sets what all events of a job have. The caller holds the lock.
func (e *jobEvent) fill(j *cloudJob, now time.Time) {
	e.Timestamp, e.AccountID, e.Queue, e.JobID = now.UnixMilli(), AccountID, *j.Queue, *j.Id
	e.UserMetadata = map[string]string{}
	maps.Copy(e.UserMetadata, j.UserMetadata)
	e.arn, e.at = *j.Arn, now
}

func (e jobEvent) body() string {
	body, err := json.Marshal(newBridgeEvent("aws.mediaconvert", "MediaConvert Job State Change", e.arn, e.at, e))
	if err != nil {
		panic(err) // it is made of texts and numbers
	}
	return string(body)
}

func inputInformation(j *cloudJob) jobEvent {
	type video struct {
		Codec  string `json:"codec"`
		Width  int    `json:"width"`
		Height int    `json:"height"`
	}
	type input struct {
		ID    int     `json:"id"`
		URI   string  `json:"uri"`
		Video []video `json:"video"`
	}
	var inputs []input
	for i, in := range j.Settings.Inputs {
		inputs = append(inputs, input{i, aws.ToString(in.FileInput), []video{{"AVC", 1280, 720}}})
	}
	return jobEvent{Status: "INPUT_INFORMATION", Inputs: inputs}
}

func statusUpdate(percent int32) jobEvent {
	return jobEvent{Status: "STATUS_UPDATE", Frames: int(percent), Progress: map[string]any{
		"jobPercentComplete": percent, "currentPhase": "TRANSCODING",
		"phaseProgress": map[string]any{
			"PROBING":     map[string]any{"status": "COMPLETE", "percentComplete": 100},
			"TRANSCODING": map[string]any{"status": "PROGRESSING", "percentComplete": percent},
			"UPLOADING":   map[string]any{"status": "PROGRESSING", "percentComplete": percent},
		},
	}}
}
