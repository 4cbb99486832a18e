package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap/zapcore"

	"github.com/mosaicd/mosaicd/jobs"
	"github.com/mosaicd/mosaicd/worker"
)

// A metrics counts what the log says. It is a part of the logger, so that the two
// can't tell different stories and no package has to know of it.
type metrics struct {
	registry *prometheus.Registry

	steps      *prometheus.HistogramVec // kind, status
	failures   *prometheus.CounterVec   // kind, code
	messages   *prometheus.CounterVec   // outcome
	engines    *prometheus.CounterVec   // reason
	queueAge   prometheus.Histogram
	heartbeats prometheus.Counter
	leases     prometheus.Counter
	damaged    prometheus.Counter
	bytes      prometheus.Counter
	frames     prometheus.Counter
	rate       prometheus.Histogram
	residual   prometheus.Counter
}

// forever are buckets in seconds, from what a person doesn't notice to what SQS
// allows a message.
var forever = []float64{0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200}

func newMetrics() *metrics {
	m := &metrics{
		registry:   prometheus.NewRegistry(),
		steps:      prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "mosaicd_step_seconds", Help: "Time that steps of jobs took, by how they ended.", Buckets: forever}, []string{"kind", "status"}),
		failures:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mosaicd_failures_total", Help: "Steps that failed for good, by the code of their result."}, []string{"kind", "code"}),
		messages:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mosaicd_messages_total", Help: "Messages, by what became of them."}, []string{"outcome"}),
		engines:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "mosaicd_engine_deaths_total", Help: "Engines that ended without a word of their own."}, []string{"reason"}),
		queueAge:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "mosaicd_queue_age_seconds", Help: "How long messages were in the queue before they came here.", Buckets: forever}),
		heartbeats: prometheus.NewCounter(prometheus.CounterOpts{Name: "mosaicd_heartbeat_failures_total", Help: "Extensions of a message's visibility that failed."}),
		leases:     prometheus.NewCounter(prometheus.CounterOpts{Name: "mosaicd_leases_lost_total", Help: "Messages that were given up because they could not be kept."}),
		damaged:    prometheus.NewCounter(prometheus.CounterOpts{Name: "mosaicd_transfers_damaged_total", Help: "Downloads and uploads that did not match the checksum of S3."}),
		bytes:      prometheus.NewCounter(prometheus.CounterOpts{Name: "mosaicd_source_bytes_total", Help: "Bytes of sources whose faces were covered."}),
		frames:     prometheus.NewCounter(prometheus.CounterOpts{Name: "mosaicd_frames_total", Help: "Frames of video written."}),
		rate:       prometheus.NewHistogram(prometheus.HistogramOpts{Name: "mosaicd_frames_per_second", Help: "Frames written in a second of encoding.", Buckets: []float64{1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 400, 800}}),
		residual:   prometheus.NewCounter(prometheus.CounterOpts{Name: "mosaicd_residual_faces_total", Help: "Faces that a second look still found in outputs."}),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.steps, m.failures, m.messages, m.engines, m.queueAge, m.heartbeats, m.leases, m.damaged, m.bytes, m.frames, m.rate, m.residual,
	)
	return m
}

// observe adds what a worker says of itself.
func (m *metrics) observe(status func() worker.Status) {
	gauge := func(name, help string, value func(worker.Status) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 { return value(status()) }))
	}
	truth := func(b bool) float64 {
		if b {
			return 1
		}
		return 0
	}
	gauge("mosaicd_slots", "Messages that may be worked at once.", func(s worker.Status) float64 { return float64(s.Slots) })
	gauge("mosaicd_in_flight", "Messages that are being worked.", func(s worker.Status) float64 { return float64(s.InFlight) })
	gauge("mosaicd_draining", "1 when no more messages are taken.", func(s worker.Status) float64 { return truth(s.Draining) })
	gauge("mosaicd_unfit", "1 when no messages are taken because this machine can't work any.", func(s worker.Status) float64 { return truth(s.Unfit != "") })
	gauge("mosaicd_receive_failing", "1 when the queue is out of reach.", func(s worker.Status) float64 { return truth(s.ReceiveError != "") })
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// An observation is one line of the log, as numbers.
type observation struct {
	event  string
	fields map[string]any
}

func (o observation) text(key string) string { s, _ := o.fields[key].(string); return s }
func (o observation) number(key string) float64 {
	switch v := o.fields[key].(type) {
	case float64:
		return v
	case time.Duration:
		return v.Seconds()
	}
	return 0
}

// ended maps the events that end a step to its status.
var ended = map[string]jobs.Status{
	"job_succeeded": jobs.StatusSucceeded, "job_failed": jobs.StatusFailed,
	"job_review": jobs.StatusReview, "job_cancelled": jobs.StatusCancelled,
	"job_superseded": jobs.StatusIgnored,
}

// settled maps the events that end the handling of a message to what became of it.
var settled = map[string]string{
	"message_done": "done", "message_retry": "retry", "message_rejected": "rejected",
	"message_released": "released", "message_abandoned": "abandoned",
}

// count counts one line of the log.
func (m *metrics) count(o observation) {
	if status, ok := ended[o.event]; ok {
		m.steps.WithLabelValues(o.text("kind"), string(status)).Observe(o.number("seconds"))
	}
	if outcome, ok := settled[o.event]; ok {
		m.messages.WithLabelValues(outcome).Inc()
	}
	switch o.event {
	case "job_failed":
		m.failures.WithLabelValues(o.text("kind"), o.text("code")).Inc()
	case "message_received":
		m.queueAge.Observe(o.number("queued_for"))
	case "heartbeat_failed":
		m.heartbeats.Inc()
	case "lease_lost":
		m.leases.Inc()
	case "transfer_damaged":
		m.damaged.Inc()
	case "engine_crashed":
		m.engines.WithLabelValues(o.text("reason")).Inc()
	}
	if stats, ok := o.fields["stats"].(*jobs.Stats); ok {
		m.bytes.Add(float64(stats.SourceBytes))
		m.frames.Add(float64(stats.Frames))
		if stats.EncodeSeconds > 0 {
			m.rate.Observe(float64(stats.Frames) / stats.EncodeSeconds)
		}
		if stats.Residual != nil {
			m.residual.Add(float64(stats.Residual.Faces))
		}
	}
}

// emf writes one line of the log as a metric of CloudWatch, where it is one: in the
// embedded metric format, which CloudWatch reads from the log.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func emf(to io.Writer, namespace string, at time.Time, o observation) error {
	values, units, dimensions := map[string]float64{}, map[string]string{}, map[string]string{}
	add := func(name, unit string, value float64) { values[name], units[name] = value, unit }
	status, end := ended[o.event]
	switch {
	case end:
		dimensions["kind"], dimensions["status"] = o.text("kind"), string(status)
		add("Steps", "Count", 1)
		failed, review := 0.0, 0.0
		switch status {
		case jobs.StatusFailed:
			failed = 1
		case jobs.StatusReview:
			review = 1
		}
		add("Failures", "Count", failed)
		add("Reviews", "Count", review)
		add("Seconds", "Seconds", o.number("seconds"))
		if stats, ok := o.fields["stats"].(*jobs.Stats); ok {
			add("SourceBytes", "Bytes", float64(stats.SourceBytes))
			add("Frames", "Count", float64(stats.Frames))
			if stats.EncodeSeconds > 0 {
				add("FramesPerSecond", "Count/Second", float64(stats.Frames)/stats.EncodeSeconds)
			}
			if stats.Residual != nil {
				add("ResidualFaces", "Count", float64(stats.Residual.Faces))
			}
		}
	case o.event == "message_received":
		add("QueueAge", "Seconds", o.number("queued_for"))
	case o.event == "message_rejected":
		add("Rejections", "Count", 1)
	case o.event == "machine_unfit":
		add("Unfit", "Count", 1)
	case o.event == "heartbeat_failed":
		add("HeartbeatFailures", "Count", 1)
	case o.event == "engine_crashed":
		dimensions["reason"] = o.text("reason")
		add("EngineDeaths", "Count", 1)
	default:
		return nil
	}
	type metric struct{ Name, Unit string }
	var all []metric
	line := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		all = append(all, metric{name, units[name]})
		line[name] = values[name]
	}
	for name, value := range dimensions {
		line[name] = value
	}
	sets := [][]string{{}} // all of them together, for alarms
	if len(dimensions) > 0 {
		sets = append(sets, slices.Sorted(maps.Keys(dimensions)))
	}
	line["_aws"] = map[string]any{
		"Timestamp": at.UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace": namespace, "Dimensions": sets, "Metrics": all,
		}},
	}
	return json.NewEncoder(to).Encode(line)
}

// A meter is the core of a logger that counts instead of writing.
type meter struct {
	metrics   *metrics
	emf       io.Writer // nil: no such lines
	namespace string    // of these
	fields    []zapcore.Field
}

func (m *meter) Enabled(zapcore.Level) bool { return true }
func (m *meter) Sync() error                { return nil }

func (m *meter) With(fields []zapcore.Field) zapcore.Core {
	return &meter{m.metrics, m.emf, m.namespace, slices.Concat(m.fields, fields)}
}

func (m *meter) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return c.AddCore(e, m)
}

func (m *meter) Write(e zapcore.Entry, fields []zapcore.Field) error {
	read := zapcore.NewMapObjectEncoder()
	for _, f := range slices.Concat(m.fields, fields) {
		f.AddTo(read)
	}
	o := observation{e.Message, read.Fields}
	m.metrics.count(o)
	if m.emf == nil {
		return nil
	}
	return emf(m.emf, m.namespace, e.Time, o)
}
