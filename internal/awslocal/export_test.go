package awslocal

import "time"

// SetClock gives MediaConvert another idea of the time.
func (s *Server) SetClock(now func() time.Time) {
	s.transcoder.set(func(t *transcoder) { t.now = now })
}
