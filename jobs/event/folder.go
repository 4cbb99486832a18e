package event

// ParseFolder reads s3://bucket/folder/, or s3://bucket/ for all of a bucket, as
// ParseLocation reads an object. The Location's key is empty then, or ends with a
// slash. The error is an *InvalidError.
func ParseFolder(s string) (Location, error) { return parseFolder("folder", s) }
