package main

import (
	"fmt"
	"strings"

	"github.com/mosaicd/mosaicd/jobs"
)

const refused = jobs.CodeNotAllowed

// mosaicMessage is an operator's message that is allowed but for what is replaced in it.
func mosaicMessage(source, destination, more string) string {
	return `{"version":1,"kind":"mosaic","source":"` + source + `","destination":"` + destination + `"` + more + `}`
}

func transcodeMessage(more string) string {
	return `{"version":1,"kind":"transcode","source":"s3://uploads/{}/a.mp4"` + more + `}`
}

// jobFile is a job file of one group of files.
func jobFile(more, input, destination, modifier, group string) string {
	return `{` + more + `"Settings":{"Inputs":[{"AudioSelectors":{"Audio Selector 1":{"DefaultSelection":"DEFAULT"}}` + input + `}],
		"OutputGroups":[{"OutputGroupSettings":{"Type":"FILE_GROUP_SETTINGS","FileGroupSettings":{"Destination":"` + destination + `"` + group + `}},
		"Outputs":[{"NameModifier":"` + modifier + `","ContainerSettings":{"Container":"MP4"}}]}]}}`
}

// abusesOfDefaults are tried on a daemon without routes and lists of buckets.
func abusesOfDefaults() []abuse {
	return []abuse{
		{name: "secret copied", message: mosaicMessage("s3://secret/a.mp4", "s3://results/x.mp4", ""), code: refused, says: "source: messages may not read bucket secret"},
		{name: "uploads that no route names", message: mosaicMessage("s3://uploads/victim/a.mp4", "s3://results/x.mp4", ""), code: refused, says: "messages may not read bucket uploads"},
		{name: "covered, into the uploads", message: mosaicMessage("s3://results/mosaic/victim/a.mp4", "s3://uploads/x.mp4", ""), code: refused, says: "messages may not write to bucket uploads"},
		{name: "records read", message: mosaicMessage("s3://results/.mosaicd/claims/x.json", "s3://results/x.mp4", ""), code: refused, says: "the records of jobs"},
		{name: "records written", message: mosaicMessage("s3://results/mosaic/victim/a.mp4", "s3://results/.mosaicd/claims/x.mp4", ""), code: refused, says: "the records of jobs"},
		{name: "secret portraits", message: `{"version":1,"kind":"faces-add","collection":"c","externalId":"a","images":["s3://secret/a.mp4"]}`, code: refused, says: "images[0]: messages may not read bucket secret"},
		{name: "a sidecar", objects: [][2]string{{"uploads/{}/clip.json", `{"srcVideo":"s3://secret/a.mp4","destination":"s3://results/x.mp4"}`}}, idle: true, says: `uploads/{}/clip.json`},
		{name: "a sidecar's remux", objects: [][2]string{{"uploads/{}/clip.json", `{"srcVideo":"/victim/a.mp4","steps":["remux"]}`}}, idle: true, says: `uploads/{}/clip.json`},
	}
}

// abusesOfMessages are tried on a daemon with abuseRoutes.
func abusesOfMessages() []abuse {
	const (
		mine, out = "s3://uploads/{}/a.mp4", "s3://results/{}.mp4"
		video     = "uploads/{}/a.mp4"
	)
	var all []abuse
	add := func(name, message, code, says string) {
		all = append(all, abuse{name: name, message: message, code: code, says: says})
	}
	dead := func(name, message, says string) {
		all = append(all, abuse{name: name, message: message, dead: true, says: says})
	}
	add("a secret source", mosaicMessage("s3://secret/a.mp4", out, ""), refused, "source: messages may not read bucket secret")
	add("its version", mosaicMessage("s3://secret/a.mp4", out, `,"versionId":"x"`), refused, "source: messages may not read bucket secret")
	add("a configuration", mosaicMessage("s3://config/x.json", out, ""), refused, "source: messages may not read bucket config")
	add("secret detections", mosaicMessage(mine, out, `,"detections":["s3://secret/x.json"]`), refused, "detections[0]: messages may not read bucket secret")
	add("a secret second page", mosaicMessage(mine, out, `,"detections":["s3://uploads/{}/1.json","s3://secret/x.json"]`), refused, "detections[1]")
	add("recorded detections", mosaicMessage(mine, out, `,"detections":["s3://results/.mosaicd/x.json"]`), refused, "detections[0]: the records of jobs")
	add("a secret destination", mosaicMessage(mine, "s3://secret/x.mp4", ""), refused, "may not write to bucket secret")
	add("another's upload replaced", mosaicMessage(mine, "s3://uploads/victim/a.mp4", `,"overwrite":true`), refused, "may not write to bucket uploads")
	add("a claim", mosaicMessage(mine, "s3://results/.mosaicd/claims/{}.mp4", ""), refused, "the records of jobs are under .mosaicd/")
	add("a mark of waiting", mosaicMessage(mine, "s3://results/.mosaicd/waiting/{}.mp4", ""), refused, "the records of jobs are under .mosaicd/")
	add("dots", mosaicMessage(mine, "s3://results/a/../mosaic/victim/a.mp4", ""), refused, `must not have ".."`)
	add("dots at the front", mosaicMessage(mine, "s3://results/../uploads/victim/a.mp4", ""), refused, `must not have ".."`)
	add("a zero in a key", mosaicMessage(`s3://uploads/{}/a\u0000.mp4`, out, ""), jobs.CodeSourceGone, "")
	add("a line break in a key", mosaicMessage(`s3://uploads/{}/a\nb.mp4`, out, ""), jobs.CodeSourceGone, "")
	add("percent signs", mosaicMessage("s3://uploads/%2e%2e/{}/a.mp4", out, ""), jobs.CodeSourceGone, "")
	dead("onto itself", mosaicMessage(mine, mine, ""), "must not be the source")
	dead("an upper case bucket", mosaicMessage("s3://Secret/a.mp4", out, ""), "lower-case")
	dead("an access point", mosaicMessage("s3://arn:aws:s3:us-east-1:000000000000:accesspoint/secret/a.mp4", out, ""), "bucket must be")
	dead("no key", mosaicMessage("s3://secret/", out, ""), "key must have")
	dead("no bucket", mosaicMessage("s3:///etc/passwd", out, ""), "bucket must have")
	dead("a file", mosaicMessage("file:///etc/passwd", out, ""), "s3://bucket/key")
	dead("an address", mosaicMessage("https://secret.s3.amazonaws.com/a.mp4", out, ""), "s3://bucket/key")
	dead("metadata of the machine", mosaicMessage("http://169.254.169.254/latest/meta-data/", out, ""), "s3://bucket/key")
	dead("a number for a bucket", mosaicMessage("s3://169.254.169.254/latest", out, ""), "IP address")
	dead("a key too long", mosaicMessage("s3://uploads/"+strings.Repeat("a", 1025), out, ""), "1 to 1024 bytes")
	dead("a letter that looks like o", mosaicMessage("s3://upl\u043eads/a.mp4", out, ""), "lower-case")
	dead("a user's name", mosaicMessage("s3://uploads@secret/a.mp4", out, ""), "lower-case")
	dead("a role", transcodeMessage(`,"role":"arn:aws:iam::000000000000:role/admin"`), "unknown field")
	dead("two sources", `{"version":1,"kind":"mosaic","source":"`+mine+`","source":"s3://secret/a.mp4","destination":"`+out+`"}`, "comes twice")
	dead("weak blocks", mosaicMessage(mine, out, `,"blocks":64`), "blocks")
	dead("an unknown kind", `{"version":1,"kind":"copy","source":"s3://secret/a.mp4","destination":"`+out+`"}`, "unknown message kind")
	dead("a later version", `{"version":2,"kind":"mosaic","source":"s3://secret/a.mp4","destination":"`+out+`"}`, "version")
	dead("no decision", `{"version":1,"kind":"approve","job":"../../uploads/victim/a"}`, "job")

	add("a secret clip", transcodeMessage(`,"clips":[{"source":"s3://secret/a.mp4"}]`), refused, "clips[0].source: messages may not read bucket secret")
	add("a secret second clip", transcodeMessage(`,"clips":[{"start":"00:00:01:00"},{"source":"s3://secret/a.mp4"}]`), refused, "clips[1].source")
	add("secret settings", transcodeMessage(`,"settings":"s3://secret/x.json"`), refused, "settings: messages may not read bucket secret")
	add("a secret folder", transcodeMessage(`,"destination":"s3://secret/x/"`), refused, "may not write to bucket secret")
	add("the folder of records", transcodeMessage(`,"destination":"s3://results/.mosaicd/claims/"`), refused, "the records of jobs")
	add("the usual Lambda's source", `{"BucketFrom":"secret","BucketTo":"results","Filename":"{}/a.mp4"}`, refused, "messages may not read bucket secret")
	add("its destination", `{"BucketFrom":"uploads","BucketTo":"secret","Filename":"{}/a.mp4"}`, refused, "may not write to bucket secret")
	add("its dots", `{"BucketFrom":"uploads","BucketTo":"results","Filename":"{}/../../x/a.mp4"}`, refused, `must not have ".."`)
	add("portraits", `{"version":1,"kind":"faces-add","collection":"c","externalId":"a","images":["s3://uploads/{}/a.jpg","s3://secret/a.mp4"]}`, refused, "images[1]")
	for name, file := range map[string]string{
		"input":          jobFile("", `},{"FileInput":"s3://secret/a.mp4"`, "s3://x/", "_a", ""),
		"upper case":     jobFile("", `},{"FileInput":"S3://secret/a.mp4"`, "s3://x/", "_a", ""),
		"sound":          strings.Replace(jobFile("", "", "s3://x/", "_a", ""), `"DefaultSelection":"DEFAULT"`, `"ExternalAudioFileInput":"s3://secret/a.mp4"`, 1),
		"captions":       jobFile("", `,"CaptionSelectors":{"c":{"SourceSettings":{"SourceType":"SRT","FileSourceSettings":{"SourceFile":"s3://secret/x.json"}}}}`, "s3://x/", "_a", ""),
		"overlay":        jobFile("", `,"ImageInserter":{"InsertableImages":[{"ImageInserterInput":"s3://secret/a.png"}]}`, "s3://x/", "_a", ""),
		"watermark logs": strings.Replace(jobFile("", "", "s3://x/", "_a", ""), `"OutputGroups"`, `"KantarWatermark":{"LogDestination":"s3://secret/x/"},"OutputGroups"`, 1),
	} {
		all = append(all, abuse{name: "settings with " + name, objects: [][2]string{{video, "video"}},
			message: transcodeMessage(`,"destination":"s3://results/{}/","settings":` + strings.Join(strings.Fields(strings.ReplaceAll(file, "Audio Selector 1", "A1")), "")), code: refused, says: `bucket "secret"`})
	}
	all = append(all,
		abuse{name: "settings that climb", objects: [][2]string{{video, "video"}}, code: refused, says: `must not have ".."`,
			message: transcodeMessage(`,"destination":"s3://results/{}/","settings":` + jobFile("", "", "s3://x/../../mosaic/victim/", "_a", ""))},
		abuse{name: "settings into the records", objects: [][2]string{{video, "video"}}, code: refused, says: "the records of jobs",
			message: transcodeMessage(`,"destination":"s3://results/","settings":` + jobFile("", "", "s3://x/.mosaicd/claims/", "_a", ""))},
		abuse{name: "an uploader's settings", objects: [][2]string{{video, "video"}, {"uploads/{}/x.json", jobFile(`"Role":"arn:aws:iam::000000000000:role/admin",`, "", "s3://x/", "_a", "")}},
			message: transcodeMessage(`,"destination":"s3://results/{}/","settings":"s3://uploads/{}/x.json"`), code: refused, says: "Role: a job file among the uploads"},
	)

	created := func(bucket, key string) string {
		return `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1","eventTime":"2026-01-01T00:00:00Z","eventName":"ObjectCreated:Put",` +
			`"s3":{"bucket":{"name":"` + bucket + `"},"object":{"key":"` + key + `","size":5,"eTag":"x","sequencer":"0A"}}}]}`
	}
	all = append(all,
		abuse{name: "an event of a secret bucket", message: created("secret", "{}.mp4"), idle: true, says: "s3://secret/{}.mp4"},
		abuse{name: "an event of the records", message: created("results", ".mosaicd/claims/{}.mp4"), idle: true, says: "s3://results/.mosaicd/claims/{}.mp4"},
		abuse{name: "an event of an output", message: created("results", "mosaic/victim/{}.mp4"), idle: true, says: "s3://results/mosaic/victim/{}.mp4"},
		abuse{name: "an event without an object", message: created("drop", "{}/none.mp4"), code: jobs.CodeSourceGone, source: "drop/{}/none.mp4"},
		abuse{name: "an event whose key climbs", message: created("drop", "..%2F..%2Fsecret%2F{}%2Fa.mp4"), code: refused, says: `must not have ".."`, source: "/{}/a.mp4"},
		abuse{name: "an event of MediaConvert", idle: true, says: strings.Repeat("0", 28) + "{}"[:0] + "dead", message: `{"version":"0","id":"x","detail-type":"MediaConvert Job State Change","source":"aws.mediaconvert","account":"000000000000",` +
			`"time":"2026-01-01T00:00:00Z","region":"us-east-1","resources":[],"detail":{"timestamp":1,"jobId":"1-a","status":"COMPLETE","userMetadata":{"mosaicd-job":"` + strings.Repeat("0", 28) + `dead","mosaicd-step":"1","mosaicd-part":"0","mosaicd-attempt":"1"},` +
			`"outputGroupDetails":[{"type":"FILE_GROUP","outputDetails":[{"outputFilePaths":["s3://secret/a.mp4"]}]}]}}`},
		abuse{name: "a notice of Rekognition", idle: true, says: strings.Repeat("0", 28) + "beef", message: `{"JobId":"x","Status":"SUCCEEDED","API":"StartFaceSearch","JobTag":"` + strings.Repeat("0", 28) + `beef","Timestamp":1,"Video":{"S3ObjectName":"a.mp4","S3Bucket":"secret"}}`},
	)

	face := func(box string) string {
		return `{"JobStatus":"SUCCEEDED","VideoMetadata":{"DurationMillis":1000,"FrameRate":25,"FrameWidth":640,"FrameHeight":360},"Faces":[{"Timestamp":0,"Face":{"BoundingBox":` + box + `}}]}`
	}
	for name, page := range map[string]string{
		"no JSON":            "faces",
		"no object":          "[]",
		"cut off":            `{"JobStatus":"SUCCEEDED","Faces":[{"Timestamp":0`,
		"still in progress":  `{"JobStatus":"IN_PROGRESS"}`,
		"more to come":       `{"JobStatus":"SUCCEEDED","NextToken":"x","Faces":[]}`,
		"a box without size": face(`{"Left":0.1,"Top":0.1,"Width":0,"Height":0}`),
		"a negative box":     face(`{"Left":0.1,"Top":0.1,"Width":-0.5,"Height":0.5}`),
		"a box of pixels":    face(`{"Left":100,"Top":100,"Width":200,"Height":200}`),
		"a text for a box":   face(`"all"`),
		"a negative time":    strings.Replace(face(`{"Left":0.1,"Top":0.1,"Width":0.2,"Height":0.2}`), `"Timestamp":0`, `"Timestamp":-1`, 1),
		"a thousand faces at once": `{"JobStatus":"SUCCEEDED","Faces":[` + strings.Repeat(`{"Timestamp":0,"Face":{"BoundingBox":{"Left":0.1,"Top":0.1,"Width":0.2,"Height":0.2}}},`, 1000) +
			`{"Timestamp":0,"Face":{"BoundingBox":{"Left":0.1,"Top":0.1,"Width":0.2,"Height":0.2}}}]}`,
	} {
		all = append(all, abuse{name: "detections: " + name, objects: [][2]string{{video, "video"}, {"uploads/{}/1.json", page}},
			message: mosaicMessage(mine, out, `,"detections":["s3://uploads/{}/1.json"]`), code: jobs.CodeInvalidDetections})
	}
	return all
}

func abusesOfSidecars() []abuse {
	var all []abuse
	add := func(name, body, code, says string) {
		all = append(all, abuse{name: name, objects: [][2]string{{"uploads/{}/a.mp4", "video"}, {"uploads/{}/clip.json", body}}, code: code, says: says})
	}
	set := func(name, fields, says string) {
		add("sidecar: "+name, `{"srcVideo":"a.mp4",`+fields+`}`, refused, says)
	}
	for name, source := range map[string]string{
		"secret": "s3://secret/a.mp4", "from the root": "/victim/a.mp4", "beside or from the root": "victim/a.mp4", "by its URI": "s3://uploads/victim/a.mp4",
		"covered": "s3://results/mosaic/victim/a.mp4", "a record": "s3://results/.mosaicd/claims/x.mp4", "deeper": "x/a.mp4", "itself": "clip.json", "the folder": "/{}/",
		"dots in a URI": "s3://uploads/{}/../victim/a.mp4", "two slashes": "s3://uploads//{}/a.mp4", "a configuration": "s3://config/x.json",
	} {
		add("sidecar's source: "+name, `{"srcVideo":"`+source+`"}`, refused, "srcVideo: ")
	}
	add("sidecar's source: dots", `{"srcVideo":"../victim/a.mp4"}`, jobs.CodeInvalidSidecar, `".."`)
	add("sidecar's source: another scheme", `{"srcVideo":"https://evil.example/a.mp4"}`, jobs.CodeInvalidSidecar, "srcVideo")
	add("sidecar's source: a zero", `{"srcVideo":"a\u0000.mp4"}`, jobs.CodeSourceGone, "")
	add("sidecar's source: of no route", `{"srcVideo":"a.txt"}`, jobs.CodeSourceGone, "")
	all = append(all,
		abuse{name: "sidecar of a route that takes none", code: refused, says: "route films takes no clip.json",
			objects: [][2]string{{"uploads/{}/a.mov", ""}, {"uploads/{}/clip.json", `{"srcVideo":"a.mov"}`}}},
		abuse{name: "sidecar of no route", code: refused, says: "no route is for",
			objects: [][2]string{{"uploads/{}/a.txt", "text"}, {"uploads/{}/clip.json", `{"srcVideo":"a.txt"}`}}},
		abuse{name: "cut: clips of another", code: refused, says: "clips[1].srcVideo: ",
			objects: [][2]string{{"uploads/{}/a.mp4", "video"}, {"uploads/{}/clip.json", `{"srcVideo":"a.mp4","clips":[{"start":"00:00:01:00"},{"srcVideo":"/victim/a.mp4"}]}`}}},
		abuse{name: "cut: secret clips", code: refused, says: "clips[0].srcVideo: ",
			objects: [][2]string{{"uploads/{}/a.mp4", "video"}, {"uploads/{}/clip.json", `{"srcVideo":"a.mp4","clips":[{"srcVideo":"s3://secret/a.mp4"}]}`}}},
		abuse{name: "cut: secret settings", code: refused, says: "settings: ",
			objects: [][2]string{{"uploads/{}/a.mp4", "video"}, {"uploads/{}/clip.json", `{"srcVideo":"a.mp4","settings":"s3://secret/x.json"}`}}},
		abuse{name: "cut: settings of another", code: refused, says: "settings: ",
			objects: [][2]string{{"uploads/{}/a.mp4", "video"}, {"uploads/{}/clip.json", `{"srcVideo":"a.mp4","settings":"s3://uploads/victim/x.json"}`}}},
		abuse{name: "cut: settings with a role", code: refused, says: "Role: a job file among the uploads",
			objects: [][2]string{{"uploads/{}/a.mp4", "video"}, {"uploads/{}/x.json", jobFile(`"Role":"arn:aws:iam::000000000000:role/admin",`, "", "s3://x/", "_a", "")},
				{"uploads/{}/clip.json", `{"srcVideo":"a.mp4","settings":"s3://uploads/{}/x.json"}`}}},
		abuse{name: "cut: a template", code: refused, says: "template: route cuts",
			objects: [][2]string{{"uploads/{}/a.mp4", "video"}, {"uploads/{}/clip.json", `{"srcVideo":"a.mp4","template":"x"}`}}},
		abuse{name: "cut: others' streams", code: refused, says: "is outside s3://results/a/",
			objects: [][2]string{{"uploads/{}/a.mp4", "video"}, {"uploads/{}/clip.json", `{"srcVideo":"a.mp4","destination":"s3://results/streams/victim/"}`}}},
		abuse{name: "cut: uncovered over covered", code: refused, says: "is outside",
			objects: [][2]string{{"uploads/{}/a.mp4", "video"}, {"uploads/{}/clip.json", `{"srcVideo":"a.mp4","steps":["remux","transcode"],"destination":"s3://results/mosaic/victim/"}`}}},
	)
	set("remux instead", `"steps":["remux"]`, "steps: mosaic is missing")
	set("transcode instead", `"steps":["transcode"]`, "steps: mosaic is missing")
	set("only a moment", `"regions":{"only":[{"start":0,"end":0.1}]}`, "regions: less would be covered")
	set("except everything", `"regions":{"except":[{"left":0,"top":0,"width":1,"height":1}]}`, "regions: less would be covered")
	set("weak blocks", `"blocks":64,"allowWeak":true`, "blocks: less would be covered")
	set("more blocks", `"blocks":8`, "blocks: less would be covered")
	set("no margin", `"margin":0`, "margin: less would be covered")
	set("a weaker style", `"style":"blur"`, "style: less would be covered")
	set("listed people", `"cover":"listed"`, "cover: less would be covered")
	set("strangers", `"cover":"strangers"`, "cover: less would be covered")
	set("a collection", `"collection":"everybody"`, "collection: route videos")
	set("a preset", `"preset":"placebo"`, "preset: route videos")
	set("a quality", `"crf":51`, "crf: route videos")
	set("a sheet", `"sheet":true`, "sheet: route videos")
	set("another's output", `"destination":"s3://results/mosaic/victim/a.mp4"`, "is outside s3://results/mosaic/{}/")
	set("a secret destination", `"destination":"s3://secret/x.mp4"`, "is outside")
	set("another's upload", `"destination":"s3://uploads/victim/a.mp4"`, "is outside")
	set("a record", `"destination":"s3://results/.mosaicd/claims/x.mp4"`, "is outside")
	set("a way out", `"destination":"s3://results/mosaic/{}/../victim/a.mp4"`, "is outside")
	set("clips in spite of the mosaic", `"clips":[{"start":"00:00:01:00"}]`, "clips: route videos")
	add("sidecar: no JSON", "video", jobs.CodeInvalidSidecar, "JSON")
	add("sidecar: two sources", `{"srcVideo":"a.mp4","srcVideo":"s3://secret/a.mp4"}`, jobs.CodeInvalidSidecar, "comes twice")
	add("sidecar: too large", `{"srcVideo":"a.mp4","x":"`+strings.Repeat("x", 70_000)+`"}`, jobs.CodeInvalidRequest, "larger than")
	add("sidecar: steps in another order", `{"srcVideo":"a.mp4","steps":["transcode","mosaic"]}`, jobs.CodeInvalidRequest, "order")
	return all
}

func abusesOfJobFiles() []abuse {
	var all []abuse
	add := func(name, file, code, says string) {
		all = append(all, abuse{name: "job file: " + name, objects: [][2]string{{"{}/jobs/x.json", file}, {"{}/a.mp4", "video"}}, code: code, says: says})
	}
	const plain = "s3://x/"
	for field, value := range map[string]string{
		"Role": `"arn:aws:iam::000000000000:role/admin"`, "Queue": `"express"`, "Priority": "50", "AccelerationSettings": `{"Mode":"ENABLED"}`,
		"Tags": `{"cost":"theirs"}`, "BillingTagsSource": `"QUEUE"`, "JobTemplate": `"theirs"`, "HopDestinations": `[{"Queue":"express","WaitMinutes":1}]`, "SimulateReservedQueue": `"ENABLED"`,
	} {
		add(field, jobFile(`"`+field+`":`+value+`,`, "", plain, "_a", ""), refused, field)
	}
	for name, input := range map[string]string{
		"a secret input": `},{"FileInput":"s3://secret/a.mp4"`, "another's input": `},{"FileInput":"s3://uploads/victim/a.mp4"`, "an address": `},{"FileInput":"https://evil.example/a.mp4"`,
		"a generator": `},{"VideoGenerator":{"Duration":1000}`, "captions": `,"CaptionSelectors":{"c":{"SourceSettings":{"SourceType":"SRT","FileSourceSettings":{"SourceFile":"s3://secret/x.json"}}}}`,
		"an overlay": `,"ImageInserter":{"InsertableImages":[{"ImageInserterInput":"http://169.254.169.254/a.png"}]}`, "IMF": `,"SupplementalImps":["s3://secret/imp/"]`,
	} {
		add(name, jobFile("", input, plain, "_a", ""), refused, "a job file among the uploads may not set it")
	}
	add("sound", strings.Replace(jobFile("", "", plain, "_a", ""), `{"DefaultSelection":"DEFAULT"}`, `{"ExternalAudioFileInput":"s3://secret/a.wav"}`, 1), refused, "ExternalAudioFileInput")
	add("public", jobFile("", "", plain, "_a", `,"DestinationSettings":{"S3Settings":{"AccessControl":{"CannedAcl":"PUBLIC_READ"}}}`), refused, "AccessControl")
	add("a key of theirs", jobFile("", "", plain, "_a", `,"DestinationSettings":{"S3Settings":{"Encryption":{"EncryptionType":"SERVER_SIDE_ENCRYPTION_KMS","KmsKeyArn":"arn:aws:kms:us-east-1:111122223333:key/x"}}}`), refused, "Encryption")
	add("dots", jobFile("", "", "s3://x/../../mosaic/victim/", "_a", ""), refused, `must not have ".."`)
	add("dots in a name", jobFile("", "", plain, "/../../../../mosaic/victim/a", ""), refused, `must not have ".."`)
	add("no JSON", "video", jobs.CodeInvalidSettings, "not JSON")
	add("an unknown field", `{"Command":"rm","OutputGroups":[]}`, jobs.CodeInvalidSettings, "Command")
	add("nothing", `{"OutputGroups":[]}`, jobs.CodeInvalidSettings, "OutputGroups")
	many := abuse{name: "job file: many", code: jobs.CodeInvalidSettings, says: "more than 100 job files"}
	for i := range 101 {
		many.objects = append(many.objects, [2]string{fmt.Sprintf("{}/jobs/%03d.json", i), jobFile("", "", plain, "_a", "")})
	}
	many.objects = append(many.objects, [2]string{"{}/a.mp4", "video"})
	return append(all, many)
}

func abusesOfKeys() []abuse {
	var all []abuse
	add := func(name, key, code, says string) {
		all = append(all, abuse{name: "key: " + name, objects: [][2]string{{"drop/" + key, "no video"}}, source: "s3://drop/" + key, code: code, says: says})
	}
	const bad = "not_a_video"
	add("dots", "{}/../../mosaic/victim/a.mp4", refused, `must not have ".."`)
	add("records", "../.mosaicd/claims/{}.mp4", refused, `must not have ".."`)
	add("a forged line", "{}/a\n{\"event\":\"job_succeeded\"}.mp4", bad, "")
	add("escapes", "{}/\x1b]0;owned\x07\x1b[2J.mp4", bad, "")
	add("right to left", "{}/\u202e4pm.exe.mp4", bad, "")
	add("an option", "{}/-i.mp4", bad, "")
	add("a protocol", "{}/concat:a.mp4|b.mp4", bad, "")
	add("a pattern", "{}/%08d.mp4", bad, "")
	add("tokens", "{}/$fn$${key}{}.mp4", bad, "")
	add("a shell", "{}/$(reboot);`reboot`.mp4", bad, "")
	add("slashes", "{}//a///b.mp4", bad, "")
	add("too long for a result", "{}/"+strings.Repeat("k", 1024-8-4)+".mp4", "invalid_route", "a key has at most 1024")
	return all
}
