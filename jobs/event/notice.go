package event

import (
	"cmp"
	"strings"
)

// isNotice recognises what other services of AWS send to a topic, to which the queue is subscribed by mistake.
func isNotice(message object) bool {
	has := func(keys ...string) bool {
		for _, key := range keys {
			if !message.has(key) {
				return false
			}
		}
		return true
	}
	var service, source string
	_, _ = message.field("Service").text(&service), message.field("source").text(&source) // empty where it is none
	return ofAWS(service) || strings.HasPrefix(source, "aws.") && has("detailType") ||
		has("AlarmName", "NewStateValue") || has("notificationType", "mail") || has("eventType", "mail")
}

// decodeNotice reads a notice of Auto Scaling, CloudWatch, SES or the developer tools.
// https://docs.aws.amazon.com/autoscaling/ec2/userguide/prepare-for-lifecycle-notifications.html
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
// https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
// https://docs.aws.amazon.com/dtconsole/latest/userguide/concepts.html
func decodeNotice(message object) ([]Event, error) {
	said := map[string]string{}
	for _, key := range []string{"Service", "source", "LifecycleTransition", "detailType", "AlarmName", "notificationType", "eventType"} {
		var value string
		if message.field(key).text(&value) == nil {
			said[key] = value
		}
	}
	service := cmp.Or(said["Service"], said["source"])
	switch {
	case service != "":
	case message.has("AlarmName"):
		service = "Amazon CloudWatch"
	default:
		service = "Amazon SES"
	}
	name := cmp.Or(said["LifecycleTransition"], said["detailType"], said["AlarmName"], said["notificationType"], said["eventType"], service)
	return []Event{Ignored{Name: name, Reason: otherService(service)}}, nil
}

// ofAWS reports whether a service's name is one as AWS writes them.
func ofAWS(service string) bool {
	return strings.HasPrefix(service, "AWS ") || strings.HasPrefix(service, "Amazon ")
}

func otherService(name string) string {
	return "mosaicd has nothing to do with notices of " + quote(name)
}
