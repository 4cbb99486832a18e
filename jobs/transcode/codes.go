package transcode

// Transient reports whether a job that failed with such an error code of
// MediaConvert is worth another try.
// https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_error_codes.html
func Transient(code int) bool {
	switch code {
	case 1550, 1999, 3999: // faults of the service
		return true
	case 3408, 3450, 3451: // the server of an input over HTTP
		return true
	case 1056, 1404, 1432, 1433, 1434: // a file or a role that isn't seen everywhere yet
		return true
	case 1076: // an input that was still being written
		return true
	}
	return false
}

// NeedsNoAcceleration reports whether a job that failed with such an error code
// may do without accelerated transcoding.
func NeedsNoAcceleration(code int) bool {
	switch code {
	case 1041, 1042, 1043, 1550:
		return true
	}
	return false
}
