package event

import (
	"cmp"
	"strings"
)

// A notice is a form in which another service of AWS writes to a topic, to which the queue is subscribed by mistake.
type notice struct {
	service string   // empty: the first of the keys says
	keys    []string // all of them are there; the last one's text is what the notice is called
}

// notices are told apart by their keys. Auto Scaling and the developer tools name themselves.
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/prepare-for-lifecycle-notifications.html
// https://docs.aws.amazon.com/dtconsole/latest/userguide/concepts.html
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
// https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
// https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_Events.Messages.html
// https://docs.aws.amazon.com/config/latest/developerguide/notifications-for-AWS-Config.html
// https://docs.aws.amazon.com/awscloudtrail/latest/userguide/configure-sns-notifications-for-cloudtrail.html
// https://docs.aws.amazon.com/amazonglacier/latest/dev/api-initiate-job-post.html
var notices = []notice{
	{"", []string{"Service", "LifecycleTransition"}},
	{"", []string{"Service", "Event"}},
	{"", []string{"Service"}},
	{"", []string{"source", "detailType"}},
	{"Amazon CloudWatch", []string{"NewStateValue", "AlarmName"}},
	{"Amazon SES", []string{"mail", "notificationType"}},
	{"Amazon SES", []string{"mail", "eventType"}},
	{"Amazon RDS", []string{"Event Source", "Event Message"}},
	{"AWS Config", []string{"configRuleName", "messageType"}},
	{"AWS Config", []string{"configurationItem", "messageType"}},
	{"AWS CloudTrail", []string{"s3ObjectKey", "s3Bucket"}},
	{"Amazon S3 Glacier", []string{"VaultARN", "Action"}},
	{"Amazon Elastic Transcoder", []string{"pipelineId", "state"}},
}

// noticeOf returns what a document is a notice of, nil where it is none.
func noticeOf(message object) *Ignored {
	for _, n := range notices {
		there := true
		for _, key := range n.keys {
			there = there && message.has(key)
		}
		if !there {
			continue
		}
		var service, name string
		_, _ = message.field(n.keys[0]).text(&service), message.field(n.keys[len(n.keys)-1]).text(&name) // empty where it is none
		if n.service == "" && !ofAWS(service) && !strings.HasPrefix(service, "aws.") {
			continue
		}
		service = cmp.Or(n.service, service)
		return &Ignored{Name: cmp.Or(name, service), Reason: otherService(service)}
	}
	return nil
}

func isNotice(message object) bool { return noticeOf(message) != nil }

func decodeNotice(message object) ([]Event, error) { return []Event{*noticeOf(message)}, nil }

// ofAWS reports whether a service's name is one as AWS writes them.
func ofAWS(service string) bool {
	return strings.HasPrefix(service, "AWS ") || strings.HasPrefix(service, "Amazon ")
}

func otherService(name string) string {
	return "mosaicd has nothing to do with notices of " + quote(name)
}
