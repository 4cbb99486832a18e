// Package awslocal serves SQS, SNS, S3, MediaConvert and Rekognition on one
// loopback address in this process, for mosaicd-demo and for tests. It is never used in
// production.
//
// MediaConvert's jobs go through their states and send their events, but nothing
// is transcoded: the files that they write, under the names that MediaConvert
// would give them, are placeholders.
//
// Queues and topics are goaws's, buckets are gofakes3's, in memory. In front of
// both lies a thin HTTP layer that corrects what a media worker would notice:
// visibility timeouts end on time, receive counts grow, errors carry the codes
// that the SDKs turn into types, GET honours If-Match, and S3 sends its
// notifications. One address answers all services, so AWS_ENDPOINT_URL
// alone points the SDKs and the AWS CLI at it; since its host is an IP address
// they choose path-style S3 requests by themselves. (Version 1 of the CLI needs
// --endpoint-url for SQS, see Server.Environ.)
//
// Several Servers can run in one process; each has its own queues, topics and
// buckets. Calls to goaws are serialised over all of them, because goaws keeps
// its state in package variables. No goroutine outlives Close. Importing this
// package costs a process some 20 to 100 ms at its start, since goaws generates
// an RSA key then.
//
// # Known gaps
//
// SQS:
//   - Only the JSON protocol is spoken, which every AWS SDK has used since 2023.
//   - A message goes to its dead-letter queue when its last visibility timeout
//     ends. SQS moves it at the receive after that. The number of deliveries is
//     the same.
//   - ApproximateFirstReceiveTimestamp is the time of the latest receive.
//   - MessageRetentionPeriod is kept and not acted upon; access policies are
//     accepted and dropped; nothing limits a message to 12 hours in flight.
//   - FIFO queues are not supported.
//   - MD5OfMessageAttributes is wrong for attributes of type Number. The Go SDK
//     does not check it.
//   - Tags, permissions and message move tasks are refused.
//
// SNS:
//   - Only the sqs protocol can be subscribed.
//   - Filter policies match whole strings against message attributes. Others
//     are refused.
//   - Signatures are not valid. GetTopicAttributes, tags and permissions are
//     refused. The size of a message is not limited.
//
// S3:
//   - Requests are not authenticated. Of the checksums CRC64NVME, CRC32, CRC32C, SHA-1
//     and SHA-256 are computed, compared and kept; CompleteMultipartUpload does not
//     report them, HEAD does.
//   - GET ignores If-Unmodified-Since. UploadPartCopy is refused.
//   - A bucket whose versioning was suspended has no null versions.
//   - When the current version of an object was deleted by its id the one before it is
//     current again for GET, HEAD and CopyObject; ListObjects leaves it out, and
//     ListObjectVersions shows a delete marker above it.
//   - ListObjectVersions reports the MD5 of an object that was uploaded in
//     parts where S3 reports its multipart ETag.
//   - Tags of an object are shared by its versions, and stay when it is overwritten
//     or deleted.
//   - Access lists, policies, encryption, lifecycle and such are refused
//     with NotImplemented. Notifications are set with Server.Notify, also those
//     of EventBridge. No s3:TestEvent is sent.
//
// MediaConvert:
//   - Jobs and job templates only: no queues, presets, tags or policies. A job's
//     queue is not looked up, and its role not assumed.
//   - Settings are held against the SDK's own types, and a few rules: what a codec
//     allows is not known.
//   - A job with a template needs inputs and output groups of its own.
//   - Every output is said to last a second and to be 1280×720, unless its settings
//     say both. QUEUE_HOP and NEW_WARNING are never sent.
//   - Clippings, captions, encryption, I-frame playlists, additional manifests and
//     subdirectories write nothing more.
//
// Rekognition:
//   - StartFaceDetection and GetFaceDetection only, for stored videos. Who looks
//     for faces is given to the Server; codecs, sizes and roles are not judged.
//   - Pages hold ten faces, whatever is asked for. The version of an object is
//     ignored. Tokens stand for ever.
package awslocal
